/**
 * Reading and replacing single sptes (mmu_spte_set, mmu_spte_update, mmu_spte_clear_*, drop_spte of arch/x86/kvm/mmu.c,
 * v3.11). An spte is named by its hpa (`sptep`); its value is two int32 halves. All writers hold mmu_lock.
 *
 * Order of the two stores: like a 32-bit host, present entries get their high half first and lose their low half first, so
 * that a lockless reader never sees a present entry with a foreign frame. To the processor an MMIO spte of NPT and of the
 * shadow MMU is present too: what replaces one goes through an entry that is not. Readers look at the low half a second
 * time (mmu-walk.ts, second-level-pagetable.ts), since an entry can change between their two loads.
 */
import { UmbraBug } from '../../base/assert.ts';
import { VM_MMIO_SPTES } from '../../arena/mmu-layout.ts';
import { currentMmioGeneration, ERA_V3_17, ERA_V6_8 } from '../eras.ts';
import { BY_MMU_SPTE_CLEAR, BY_MMU_SPTE_SET, BY_MMU_SPTE_UPDATE, WATCH_SPTES } from '../hooks.ts';
import { gfnToMemslot, slotRmapWord } from '../memslots/memslots.ts';
import { PT_PAGE_SIZE_MASK, PT_PAGE_TABLE_LEVEL, PT_PRESENT_MASK, PT_WRITABLE_MASK, type Mmu } from './mmu.ts';
import { VM_MMIO_FRESH, VM_MMIO_FRESH_GEN } from './mmu-words.ts';
import { pteListAdd, pteListCount, pteListRemove } from './rmap-list.ts';
import { gfnsWord, pageGfnWord, pageOfHpa, pageRole } from './shadow-page-pool.ts';
import { ROLE_DIRECT, roleLevel } from './shadow-page-role.ts';
import { isMmioSpte, mmioSpteGeneration } from '../spte/spte-mmio.ts';

export const isMmio = (mmu: Mmu, lo: number, hi: number): boolean => isMmioSpte(mmu.mmio, lo, hi);

/** is_shadow_present_pte. */
export const isShadowPresent = (mmu: Mmu, lo: number, hi: number): boolean =>
  (lo & PT_PRESENT_MASK) !== 0 && !isMmio(mmu, lo, hi);

/** is_last_spte of a present spte. */
export const isLastSpte = (lo: number, level: number): boolean =>
  level === PT_PAGE_TABLE_LEVEL || (lo & PT_PAGE_SIZE_MASK) !== 0;

/** Both writeable bits: write protection, if any, is for dirty logging only. */
export function isLocklesslyModifiable(mmu: Mmu, lo: number, hi: number): boolean {
  const maskLo = mmu.hostWriteableLo | mmu.mmuWriteableLo;
  const maskHi = mmu.hostWriteableHi | mmu.mmuWriteableHi;
  return (lo & maskLo) === maskLo && (hi & maskHi) === maskHi;
}

/**
 * spte_has_volatile_bits: whether the entry may change while mmu_lock is held, by the lockless fast path or by a processor
 * that sets A or D. Such an entry is exchanged, so that its last state is known.
 */
export function spteHasVolatileBits(mmu: Mmu, lo: number, hi: number): boolean {
  if (isLocklesslyModifiable(mmu, lo, hi)) return true;
  if (mmu.accessedMask === 0 || !isShadowPresent(mmu, lo, hi)) return false;
  return (lo & mmu.accessedMask) === 0 || ((lo & PT_WRITABLE_MASK) !== 0 && (lo & mmu.dirtyMask) === 0);
}

/** spte_to_pfn; every frame of the arena fits the low half. */
export const spteToPfn = (lo: number): number => lo >>> 12;

/** Level of the page that an spte stands in. */
export const levelOf = (mmu: Mmu, page: number): number => roleLevel(pageRole(mmu, page));

/**
 * kvm_mmu_page_get_gfn: of a direct page what the entry maps follows from where it stands; of an indirect one it was written
 * down when it was mapped (sp->gfns), because the guest may have changed its table since.
 */
export function spteGfn(mmu: Mmu, sptep: number): number {
  const page = pageOfHpa(mmu, sptep);
  const index = (sptep & 0xfff) >> 3;
  if ((pageRole(mmu, page) & ROLE_DIRECT) === 0) return mmu.f64[gfnsWord(mmu, page) + index];
  const level = levelOf(mmu, page);
  const frames = level === 1 ? 1 : level === 2 ? 512 : level === 3 ? 262144 : 134217728;
  return mmu.f64[pageGfnWord(mmu, page)] + index * frames;
}

/** Keeps the counts of live MMIO sptes, in all and of the current generation. */
function countMmio(mmu: Mmu, lo: number, hi: number, delta: number): void {
  const { i32, vm } = mmu;
  i32[(vm + VM_MMIO_SPTES) >> 2] += delta;
  const gen = mmioSpteGeneration(mmu.mmio, lo, hi);
  if (delta > 0 && gen === currentMmioGeneration(mmu.arena) && i32[(vm + VM_MMIO_FRESH_GEN) >> 2] !== gen) {
    i32[(vm + VM_MMIO_FRESH_GEN) >> 2] = gen;
    i32[(vm + VM_MMIO_FRESH) >> 2] = 0;
  }
  if (gen === i32[(vm + VM_MMIO_FRESH_GEN) >> 2]) i32[(vm + VM_MMIO_FRESH) >> 2] += delta;
}

/** __set_spte over an entry that is not present, though it may be an MMIO spte. */
function store(mmu: Mmu, sptep: number, lo: number, hi: number): void {
  const { i32 } = mmu;
  const word = sptep >> 2;
  const oldLo = i32[word];
  const oldHi = i32[word + 1];
  if (isMmio(mmu, oldLo, oldHi)) countMmio(mmu, oldLo, oldHi, -1);
  if (isMmio(mmu, lo, hi)) countMmio(mmu, lo, hi, 1);
  if (mmu.threaded && oldLo !== 0) Atomics.store(i32, word, 0);
  i32[word + 1] = hi;
  if (mmu.threaded) Atomics.store(i32, word, lo);
  else i32[word] = lo;
}

/** Tells a debugger of a change that has been made. */
export function noteSpteChange(mmu: Mmu, sptep: number, oldLo: number, oldHi: number, by: number): void {
  const { watch } = mmu.hooks;
  if (watch !== undefined && (watch.armed & WATCH_SPTES) !== 0) watch.onSpteChange(sptep, oldLo, oldHi, by);
}

/** mmu_spte_set: the old entry must not be present. */
export function mmuSpteSet(mmu: Mmu, sptep: number, lo: number, hi: number): void {
  const word = sptep >> 2;
  if (isShadowPresent(mmu, mmu.i32[word], mmu.i32[word + 1])) {
    throw new UmbraBug(`mmu_spte_set over a present spte at ${sptep.toString(16)}`);
  }
  const oldLo = mmu.i32[word];
  const oldHi = mmu.i32[word + 1];
  store(mmu, sptep, lo, hi);
  noteSpteChange(mmu, sptep, oldLo, oldHi, BY_MMU_SPTE_SET);
}

/**
 * mmu_spte_update: like mmu_spte_set, but the old entry may be present.
 * @returns whether TLBs must be flushed, because the entry lost its write access
 */
export function mmuSpteUpdate(mmu: Mmu, sptep: number, lo: number, hi: number): boolean {
  const word = sptep >> 2;
  let oldLo = mmu.i32[word];
  const oldHi = mmu.i32[word + 1];
  if (!isShadowPresent(mmu, oldLo, oldHi)) {
    store(mmu, sptep, lo, hi);
    noteSpteChange(mmu, sptep, oldLo, oldHi, BY_MMU_SPTE_UPDATE);
    return false;
  }
  mmu.i32[word + 1] = hi;
  if (spteHasVolatileBits(mmu, oldLo, oldHi)) oldLo = Atomics.exchange(mmu.i32, word, lo);
  else mmu.i32[word] = lo;
  noteSpteChange(mmu, sptep, oldLo, oldHi, BY_MMU_SPTE_UPDATE);
  return needsFlush(mmu, oldLo, oldHi, lo);
}

/**
 * Until 3.15 only W that was there is missed. Since 3.16 (7f31c9595e3c) W that the fast path may have given and a TLB may have
 * is enough; and since 4.9 so are A and D that the entry has lost.
 */
function needsFlush(mmu: Mmu, oldLo: number, oldHi: number, lo: number): boolean {
  if ((lo & PT_WRITABLE_MASK) === 0) {
    if ((oldLo & PT_WRITABLE_MASK) !== 0) return true;
    if ((mmu.era === ERA_V3_17 || mmu.era === ERA_V6_8) && isLocklesslyModifiable(mmu, oldLo, oldHi)) return true;
  }
  return mmu.era === ERA_V6_8 && (oldLo & ~lo & (mmu.accessedMask | mmu.dirtyMask)) !== 0;
}

/** mmu_spte_clear_no_track: for links and MMIO sptes, which have neither rmap nor accessed state. */
export function mmuSpteClear(mmu: Mmu, sptep: number): void {
  const { i32 } = mmu;
  const word = sptep >> 2;
  const oldLo = i32[word];
  const oldHi = i32[word + 1];
  if (isMmio(mmu, oldLo, oldHi)) countMmio(mmu, oldLo, oldHi, -1);
  if (mmu.threaded) Atomics.store(i32, word, 0);
  else i32[word] = 0;
  i32[word + 1] = 0;
  noteSpteChange(mmu, sptep, oldLo, oldHi, BY_MMU_SPTE_CLEAR);
}

/** int32 index of the rmap word of the frame an spte of that level maps: gfn_to_rmap. */
function rmapWordOf(mmu: Mmu, sptep: number, level: number): number {
  const gfn = spteGfn(mmu, sptep);
  const slot = gfnToMemslot(mmu.arena, gfn);
  if (slot < 0) throw new UmbraBug(`a present leaf maps gfn ${gfn.toString(16)}, which is in no slot`);
  return slotRmapWord(mmu.arena, slot, gfn, level) >> 2;
}

/** rmap_add, with kvm_mmu_page_set_gfn: answers how many sptes mapped the frame before. */
export function rmapAdd(mmu: Mmu, sptep: number, gfn: number): number {
  const page = pageOfHpa(mmu, sptep);
  if ((pageRole(mmu, page) & ROLE_DIRECT) === 0) {
    mmu.f64[gfnsWord(mmu, page) + ((sptep & 0xfff) >> 3)] = gfn;
  }
  const level = levelOf(mmu, page);
  const word = rmapWordOf(mmu, sptep, level);
  const before = pteListAdd(mmu, word, sptep);
  // kvm_update_page_stats, and the length of the list as kernels count it that keep it.
  mmu.f64[mmu.cPages + level - 1] += 1;
  if (before > mmu.f64[mmu.cMaxRmapSize]) noteRmapSize(mmu, word);
  return before;
}

/** Holes that a removal has left make pteListAdd answer more than there are. */
function noteRmapSize(mmu: Mmu, word: number): void {
  mmu.f64[mmu.cMaxRmapSize] = Math.max(mmu.f64[mmu.cMaxRmapSize], pteListCount(mmu, word) - 1);
}

/** drop_spte: clears a leaf and takes it out of the reverse map of its frame. */
export function dropSpte(mmu: Mmu, sptep: number): void {
  const word = sptep >> 2;
  const present = isShadowPresent(mmu, mmu.i32[word], mmu.i32[word + 1]);
  mmuSpteClear(mmu, sptep);
  if (!present) return;
  const level = levelOf(mmu, pageOfHpa(mmu, sptep));
  pteListRemove(mmu, rmapWordOf(mmu, sptep, level), sptep);
  mmu.f64[mmu.cPages + level - 1] -= 1;
}
