/**
 * The known bugs of the eras that run (reference: kvm facts §1.9 and §7), named at the moment they strike: a line in the
 * kernel's log and a count in the vm region. Nothing here changes what the machine does. Whoever calls has already found out
 * cheaply that something may be wrong; on the ordinary way of an MMIO exit that is one comparison.
 */
import { MEMSLOT_ID } from '../../arena/memslot-layout.ts';
import type { Arena } from '../../arena/arena.ts';
import { ERA_V6_8 } from '../eras.ts';
import { KVM_MEM_READONLY, KVM_MEMSLOT_INVALID } from '../memslots/limits.ts';
import { gfnToMemslot, memslotFlags } from '../memslots/memslots.ts';
import { generationWord, vcpuMatchMmioGen } from './mmio-cache.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isMmioSpte } from '../spte/spte-mmio.ts';
import {
  VCPU_MMIO_GEN,
  VM_BUG_STRIKES,
  VM_MEMSLOTS_IN_CALL,
  WATCH_CORRUPT,
  WATCH_RESYNCED,
  WATCH_WRAP,
} from '../mmu/mmu-words.ts';

/** In the order of their counts in the arena. */
export const KVM_BUGS = [
  {
    id: 'stale-mmio-cache',
    commit: '56f17dd3fbc4',
    fixed: '3.17',
    title: 'stale MMIO cache',
    lines: 10,
  },
  {
    id: 'corrupt-mmio-spte',
    commit: 'ee3d1570b586',
    fixed: '3.17',
    title: 'potentially corrupt MMIO cache',
    lines: 10,
  },
  {
    id: 'wrap-after-publishing',
    commit: '152482580a1b',
    fixed: '5.1',
    title: 'wrap handled after publishing',
    lines: 10,
  },
  {
    id: 'mmio-pf-bug',
    commit: 'fully check zero bits for sptes',
    fixed: '4.3',
    title: 'RET_MMIO_PF_BUG',
    lines: 10,
  },
  {
    id: 'resynced-mmio-spte',
    commit: 'sync_mmio_spte',
    fixed: undefined,
    title: 'stale MMIO spte marked afresh',
    lines: 10,
  },
  {
    id: 'largepages-drift',
    commit: 'mmu_set_spte',
    fixed: '5.13',
    title: 'drift of the largepages counter',
    lines: 1,
  },
] as const;
export type KvmBugId = (typeof KVM_BUGS)[number]['id'];

export const BUG_STALE_MMIO_CACHE = 0;
export const BUG_CORRUPT_MMIO_SPTE = 1;
export const BUG_WRAP_AFTER_PUBLISHING = 2;
export const BUG_MMIO_PF_BUG = 3;
export const BUG_RESYNCED_MMIO_SPTE = 4;
export const BUG_LARGEPAGES_DRIFT = 5;

/** How often each bug has struck. */
export function bugStrikes(arena: Arena): Readonly<Record<KvmBugId, number>> {
  const at = (arena.layout.vm + VM_BUG_STRIKES) >> 2;
  const counts = KVM_BUGS.map(({ id }, index) => [id, arena.i32[at + index]] as const);
  return Object.fromEntries(counts) as Record<KvmBugId, number>;
}

/** Counts a strike; the first ones of each bug get a line in the log. */
export function bugStruck(mmu: Mmu, bug: number, what: string): void {
  const word = ((mmu.vm + VM_BUG_STRIKES) >> 2) + bug;
  const strikes = Atomics.add(mmu.i32, word, 1) + 1;
  const { title, commit, fixed, lines } = KVM_BUGS[bug];
  if (strikes > lines) return;
  const name = fixed === undefined ? `${title} (${commit})` : `${title} (${commit}, fixed in ${fixed})`;
  const last = strikes === lines ? '; more of these are only counted' : '';
  mmu.log('warning', `kvm: ${name}: ${what}${last}`);
}

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
const gfnOf = (lo: number, hi: number): number => (lo >>> 12) + (hi >>> 0) * 0x10_0000;
const slotId = (mmu: Mmu, slot: number): number => mmu.i32[(slot + MEMSLOT_ID) >> 2];

/** The slot that maps a frame for such an access; −1 when MMIO is what the access should come to. */
export function mappingSlot(mmu: Mmu, gfn: number, write: boolean): number {
  const slot = gfnToMemslot(mmu.arena, gfn);
  if (slot < 0) return -1;
  const flags = memslotFlags(mmu.arena, slot);
  if ((flags & KVM_MEMSLOT_INVALID) !== 0 || (write && (flags & KVM_MEM_READONLY) !== 0)) return -1;
  return slot;
}

/**
 * Whether the MMIO cache, which matches, might be wrong: it was filled under another generation of the memslots, or the
 * current one is suspect.
 */
export const mmioCacheIsSuspect = (mmu: Mmu, r: Int32Array): boolean =>
  mmu.i32[mmu.mmioWatch] !== 0 || !vcpuMatchMmioGen(mmu, r);

/** An access that the MMIO cache matches is about to be served as MMIO, and {@link mmioCacheIsSuspect}. */
export function nameServedMmio(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  gpaLo: number,
  gpaHi: number,
  write: boolean,
): void {
  const gfn = gfnOf(gpaLo, gpaHi);
  const slot = mappingSlot(mmu, gfn, write);
  const word = generationWord(mmu);
  const filled = u64(r[VCPU_MMIO_GEN], r[VCPU_MMIO_GEN + 1]);
  const current = u64(mmu.i32[word], mmu.i32[word + 1]);
  if (slot < 0) {
    // Still a hole: what the cache says is as good as if it had been filled just now.
    if (gfnToMemslot(mmu.arena, gfn) < 0) {
      r[VCPU_MMIO_GEN] = mmu.i32[word];
      r[VCPU_MMIO_GEN + 1] = mmu.i32[word + 1];
    }
    return;
  }
  const access = `vCPU ${vcpuId}'s ${write ? 'write to' : 'read of'} gpa ${hex(u64(gpaLo, gpaHi))}`;
  const wrong = `${access} is served as MMIO although slot ${slotId(mmu, slot)} maps gfn ${hex(gfn)}`;
  if (filled !== current) {
    // Before the call has returned nobody can tell whether the access came before or after the change.
    if (Atomics.load(mmu.i32, (mmu.vm + VM_MEMSLOTS_IN_CALL) >> 2) !== 0) return;
    const age = `the cache was filled at memslots generation ${filled}, now ${current}`;
    bugStruck(mmu, BUG_STALE_MMIO_CACHE, `${wrong}: ${age}`);
  } else if (mmu.i32[mmu.mmioWatch] === WATCH_WRAP) {
    const why =
      'its MMIO spte has the generation 0 of the last time round, and is zapped only after the new 0 was published';
    bugStruck(mmu, BUG_WRAP_AFTER_PUBLISHING, `${wrong}: ${why}`);
  } else if (mmu.i32[mmu.mmioWatch] === WATCH_RESYNCED) {
    bugStruck(mmu, BUG_RESYNCED_MMIO_SPTE, `${wrong}: its MMIO spte was marked afresh when its guest table was synced`);
  } else {
    bugStruck(mmu, BUG_CORRUPT_MMIO_SPTE, `${wrong}: its MMIO spte has the current generation`);
  }
}

/**
 * An MMIO spte of a generation that counts as fresh is about to be written. The frame was found to be without slot, but maybe
 * not in the table that is active now, where this slot maps it.
 * @param resynced sync_mmio_spte writes it, which asks no table at all
 */
export function nameCorruptMark(
  mmu: Mmu,
  vcpuId: number,
  gfn: number,
  gen: number,
  slot: number,
  resynced: boolean,
): void {
  mmu.i32[mmu.mmioWatch] = resynced ? WATCH_RESYNCED : WATCH_CORRUPT;
  const spte = `vCPU ${vcpuId} writes an MMIO spte of the current generation ${hex(gen)} for gfn ${hex(gfn)}, which slot ${slotId(mmu, slot)} maps`;
  if (resynced) {
    bugStruck(mmu, BUG_RESYNCED_MMIO_SPTE, `${spte}: a stale one is marked afresh without a look at the slots`);
  } else {
    bugStruck(mmu, BUG_CORRUPT_MMIO_SPTE, `${spte}: it looked the slots up before they changed`);
  }
}

/** check_direct_spte_mmio_pf found a present entry: whoever mapped it was faster than this vCPU's handler. */
export function nameMmioPfBug(mmu: Mmu, vcpuId: number, gpaLo: number, gpaHi: number): void {
  const fault = `vCPU ${vcpuId} faulted on gfn ${hex(gfnOf(gpaLo, gpaHi))} with a reserved bit or a misconfiguration`;
  bugStruck(mmu, BUG_MMIO_PF_BUG, `${fault}, but its spte is neither MMIO nor empty by now: the VM stops`);
}

/**
 * Bit 7 of what mmu_set_spte has stored is set: a large page, or a generation bit of an MMIO spte, which is counted too and
 * never subtracted. Since 5.13 mmu_set_spte has returned by then.
 */
export function countLargePage(mmu: Mmu, lo: number, hi: number): void {
  if (isMmioSpte(mmu.mmio, lo, hi)) {
    if (mmu.era === ERA_V6_8) return;
    bugStruck(
      mmu,
      BUG_LARGEPAGES_DRIFT,
      'bit 7 of an MMIO spte is a bit of its generation, and is counted as a large page',
    );
  }
  mmu.f64[mmu.cLargepages] += 1;
}

const u64 = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
