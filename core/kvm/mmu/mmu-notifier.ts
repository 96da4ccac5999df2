/**
 * What the host's memory management tells KVM of pages of user space (kvm_mmu_notifier_clear_flush_young and
 * invalidate_range_start of virt/kvm/kvm_main.c; kvm_age_hva and kvm_unmap_hva_range of arch/x86/kvm/mmu.c, v3.11): which of them
 * were used lately, and that some are about to go.
 *
 * A page of the arena never moves: one that was unmapped comes back at its next fault with the frame it had. So the sequence number
 * and count that guard a fault's lookup against the host's changes (mmu_notifier_retry) are not kept.
 */
import { MEMSLOT_BASE_GFN, MEMSLOT_NPAGES, MEMSLOT_USERSPACE_ADDR } from '../../arena/memslot-layout.ts';
import { VM_TLBS_DIRTY } from '../../arena/mmu-layout.ts';
import { highHalf, lowHalf } from '../../base/address.ts';
import { gfnToIndex, memslotAt, memslotCount, slotRmapWord } from '../memslots/memslots.ts';
import { TP_KVM_AGE_HVA, TP_KVM_UNMAP_HVA_RANGE } from '../../base/tracepoints.ts';
import { traceHvaRange, traceKvmAgePage } from '../trace/trace-events.ts';
import { flushRemoteTlbs } from '../vcpu/requests.ts';
import { mmuLock, mmuUnlock, PT_PDPE_LEVEL, type Mmu } from './mmu.ts';
import { dropSpte } from './mmu-spte.ts';
import { pteListAt, pteListFirst } from './rmap-list.ts';

const PAGE = 4096n;

/** @returns sptes it found, by the handler's rule */
type RmapHandler = (mmu: Mmu, rmapWord: number, gfn: number, hva: bigint) => number;

/** kvm_handle_hva_range: every rmap word of every level that has to do with the range, slot by slot. */
function handleHvaRange(mmu: Mmu, start: bigint, end: bigint, handler: RmapHandler): number {
  const { arena } = mmu;
  let found = 0;
  for (let i = 0; i < memslotCount(arena); i++) {
    const slot = memslotAt(arena, i);
    const base = mmu.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
    const npages = mmu.f64[(slot + MEMSLOT_NPAGES) >> 3];
    const slotStart = arena.u64[(slot + MEMSLOT_USERSPACE_ADDR) >> 3];
    const slotEnd = slotStart + BigInt(npages) * PAGE;
    const from = start > slotStart ? start : slotStart;
    const to = end < slotEnd ? end : slotEnd;
    if (from >= to) continue;
    const first = base + Number((from - slotStart) / PAGE);
    const last = base + Number((to - slotStart + PAGE - 1n) / PAGE) - 1;
    for (let level = 1; level <= PT_PDPE_LEVEL; level++) {
      const word = slotRmapWord(arena, slot, first, level) >> 2;
      const count = gfnToIndex(last, base, level) - gfnToIndex(first, base, level) + 1;
      for (let n = 0; n < count; n++) found += handler(mmu, word + 2 * n, first, from);
    }
  }
  return found;
}

/** kvm_unmap_rmapp. A large page's spte goes without being taken off the counter of large pages, as in v3.11. */
function unmapRmap(mmu: Mmu, rmapWord: number): number {
  let dropped = 0;
  for (; mmu.i32[rmapWord] !== 0; dropped++) dropSpte(mmu, pteListFirst(mmu, rmapWord));
  return dropped;
}

/** kvm_age_rmapp: EPT without A/D flags has nothing to look at, so a mapping that stands counts as used, and goes. */
function ageRmap(mmu: Mmu, rmapWord: number, gfn: number, hva: bigint): number {
  let young = 0;
  if (mmu.accessedMask === 0) young = unmapRmap(mmu, rmapWord);
  else {
    for (let position = 0; ; position++) {
      const sptep = pteListAt(mmu, rmapWord, position);
      if (sptep === 0) break;
      // The processor sets the bit meanwhile, so it is cleared in one go.
      if ((Atomics.and(mmu.i32, sptep >> 2, ~mmu.accessedMask) & mmu.accessedMask) !== 0) young++;
    }
  }
  traceKvmAgePage(mmu.arena, 0, lowHalf(hva), highHalf(hva), gfn, young !== 0);
  return young;
}

/** clear_flush_young of the page at an hva: whether any mapping of it was used since it was last asked. */
export function clearFlushYoung(mmu: Mmu, hva: bigint): boolean {
  traceHvaRange(mmu.arena, TP_KVM_AGE_HVA, hva, hva + PAGE);
  mmuLock(mmu);
  const young = handleHvaRange(mmu, hva, hva + 1n, ageRmap) !== 0;
  if (young) flushRemoteTlbs(mmu);
  mmuUnlock(mmu);
  return young;
}

/** invalidate_range_start. @returns sptes that were dropped */
export function invalidateRange(mmu: Mmu, start: bigint, end: bigint): number {
  traceHvaRange(mmu.arena, TP_KVM_UNMAP_HVA_RANGE, start, end);
  mmuLock(mmu);
  const dropped = handleHvaRange(mmu, start, end, unmapRmap);
  // Entries that a sync dropped without a flush may still be in a TLB, and the host is about to give the pages away.
  if (dropped !== 0 || Atomics.load(mmu.i32, (mmu.vm + VM_TLBS_DIRTY) >> 2) !== 0) flushRemoteTlbs(mmu);
  mmuUnlock(mmu);
  return dropped;
}
