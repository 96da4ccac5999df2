/**
 * fast_page_fault (arch/x86/kvm/mmu.c of v3.11, mmu/mmu.c of v6.8): a write to a page that is protected for dirty logging only is
 * let through by setting W again, without mmu_lock.
 */
import { MEMSLOT_DIRTY_BITMAP } from '../../arena/memslot-layout.ts';
import { ERA_V6_8 } from '../eras.ts';
import { gfnToMemslot } from '../memslots/memslots.ts';
import { FAULT_CONTINUE, FAULT_FIXED, FAULT_RESUME, FAULT_SPURIOUS } from '../mmio/noslot-fault.ts';
import { vcpuCounterWord } from '../trace/stats.ts';
import { BY_FAST_PAGE_FAULT } from '../hooks.ts';
import { markPageDirty } from '../memslots/dirty-log.ts';
import { PT_PAGE_TABLE_LEVEL, PT_PRESENT_MASK, PT_WRITABLE_MASK, type Mmu } from './mmu.ts';
import { PFERR_FETCH_MASK, PFERR_PRESENT_MASK, PFERR_RSVD_MASK, PFERR_WRITE_MASK } from './mmu-fault-error.ts';
import { isLastSpte, isLocklesslyModifiable, isShadowPresent, levelOf, noteSpteChange, spteGfn } from './mmu-spte.ts';
import { pageOfHpa } from './shadow-page-pool.ts';
import { entryOffset, lastSptep, locklessBegin, locklessEnd, spteLockless, walkLevel, walkRoot } from './mmu-walk.ts';
import { traceFastPageFault } from '../trace/trace-events.ts';

/** page_fault_can_be_fast: a write to a present entry; never one with RSVD, whose MMIO spte may have to be renewed. */
const canBeFast = (errorCode: number): boolean =>
  (errorCode & (PFERR_RSVD_MASK | PFERR_PRESENT_MASK | PFERR_WRITE_MASK)) === (PFERR_PRESENT_MASK | PFERR_WRITE_MASK);

/**
 * for_each_shadow_entry_lockless until an entry that is not present, a leaf, or one below `level`. 0 without a table.
 * Level 1 is where {@link lastSptep} ends.
 */
function sptepDownTo(mmu: Mmu, r: Int32Array, lo: number, hi: number, level: number): number {
  const last = lastSptep(mmu, r, lo, hi);
  if (level === PT_PAGE_TABLE_LEVEL || last === 0) return last;
  const { i32 } = mmu;
  let table = walkRoot(r, lo);
  for (let at = walkLevel(r); ; at--) {
    const sptep = table + entryOffset(lo, hi, at);
    if (sptep === last || at < level) return sptep;
    table = i32[sptep >> 2] & ~0xfff;
  }
}

/**
 * @param level where the full path would map: the kernel compares the leaf it finds with it
 * @returns FAULT_CONTINUE when the full path has to look at it
 */
export function fastPageFault(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  level: number,
  errorCode: number,
): number {
  if (mmu.era === ERA_V6_8) return fastPageFaultV68(mmu, r, vcpuId, lo, hi, errorCode);
  if (!canBeFast(errorCode)) return FAULT_CONTINUE;
  const { i32 } = mmu;
  locklessBegin(mmu, r);
  const sptep = sptepDownTo(mmu, r, lo, hi, level);
  const oldLo = spteLockless(mmu, sptep);
  const oldHi = mmu.spteHigh;
  let retry: boolean;
  if (!isShadowPresent(mmu, oldLo, oldHi)) {
    // Zapped meanwhile: the vCPU will find that out by faulting again.
    retry = true;
  } else if (!isLastSpte(oldLo, level)) {
    // A large page is wanted and a small one stands there.
    retry = false;
  } else if ((oldLo & PT_WRITABLE_MASK) !== 0) {
    // Spurious: a TLB that has not been flushed yet.
    retry = true;
  } else if (isLocklesslyModifiable(mmu, oldLo, oldHi)) {
    const fixed = oldLo | PT_WRITABLE_MASK;
    if (Atomics.compareExchange(i32, sptep >> 2, oldLo, fixed) === oldLo) {
      markPageDirty(mmu.arena, spteGfn(mmu, sptep));
      noteSpteChange(mmu, sptep, oldLo, oldHi, BY_FAST_PAGE_FAULT);
    }
    retry = true;
  } else {
    retry = false;
  }
  const newLo = spteLockless(mmu, sptep);
  const newHi = mmu.spteHigh;
  traceFastPageFault(mmu.arena, vcpuId, lo, hi, errorCode, sptep, oldLo, oldHi, newLo, newHi, retry);
  locklessEnd(mmu, r);
  return retry ? FAULT_RESUME : FAULT_CONTINUE;
}

/** page_fault_can_be_fast of v6.8: without A/D flags an entry that is not present may be one that is tracked for accesses. */
const canBeFastV68 = (mmu: Mmu, errorCode: number): boolean =>
  (errorCode & PFERR_RSVD_MASK) === 0 &&
  ((errorCode & PFERR_PRESENT_MASK) === 0 ? mmu.accessedMask === 0 : (errorCode & PFERR_WRITE_MASK) !== 0);

/** is_access_allowed: of a present entry, whether the access that faulted would not fault now. */
function isAccessAllowed(mmu: Mmu, errorCode: number, lo: number, hi: number): boolean {
  if ((errorCode & PFERR_FETCH_MASK) !== 0) return (lo & mmu.execMask) === mmu.execMask && (hi & mmu.nxMaskHi) === 0;
  return (lo & ((errorCode & PFERR_WRITE_MASK) !== 0 ? PT_WRITABLE_MASK : PT_PRESENT_MASK)) !== 0;
}

/** Attempts to exchange an entry that others change meanwhile. */
const FAST_PF_RETRIES = 4;

/**
 * The same of v6.8: an entry that is not there any more is the full path's business, and what came of it is counted. No
 * access tracking here, so that an entry is never made readable or executable again.
 */
function fastPageFaultV68(mmu: Mmu, r: Int32Array, vcpuId: number, lo: number, hi: number, errorCode: number): number {
  if (!canBeFastV68(mmu, errorCode)) return FAULT_CONTINUE;
  const { i32, arena } = mmu;
  let answer = FAULT_CONTINUE;
  let sptep: number;
  let oldLo: number;
  let oldHi: number;
  locklessBegin(mmu, r);
  for (let retries = 0; ; retries++) {
    sptep = lastSptep(mmu, r, lo, hi);
    oldLo = spteLockless(mmu, sptep);
    oldHi = mmu.spteHigh;
    if (!isShadowPresent(mmu, oldLo, oldHi)) break;
    if (isAccessAllowed(mmu, errorCode, oldLo, oldHi)) {
      answer = FAULT_SPURIOUS;
      break;
    }
    if ((errorCode & PFERR_WRITE_MASK) === 0 || !isLocklesslyModifiable(mmu, oldLo, oldHi)) break;
    const gfn = (lo >>> 12) + (hi >>> 0) * 0x10_0000;
    const slot = gfnToMemslot(arena, gfn);
    // Only the first of its frames would be marked dirty.
    const level = levelOf(mmu, pageOfHpa(mmu, sptep));
    if (level > PT_PAGE_TABLE_LEVEL && slot >= 0 && i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2] !== 0) break;
    if (Atomics.compareExchange(i32, sptep >> 2, oldLo, oldLo | PT_WRITABLE_MASK) === oldLo) {
      markPageDirty(arena, gfn);
      noteSpteChange(mmu, sptep, oldLo, oldHi, BY_FAST_PAGE_FAULT);
      answer = FAULT_FIXED;
      break;
    }
    if (retries === FAST_PF_RETRIES) break;
  }
  const newLo = spteLockless(mmu, sptep);
  const newHi = mmu.spteHigh;
  const done = answer !== FAULT_CONTINUE;
  traceFastPageFault(arena, vcpuId, lo, hi, errorCode, sptep, oldLo, oldHi, newLo, newHi, done);
  locklessEnd(mmu, r);
  if (done) mmu.f64[vcpuCounterWord(arena, vcpuId, 'pf_fast')] += 1;
  return answer;
}
