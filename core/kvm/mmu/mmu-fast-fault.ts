/**
 * fast_page_fault (arch/x86/kvm/mmu.c of v3.11): a write to a page that is protected for dirty logging only is let through by
 * setting W again, without mmu_lock.
 */
import { BY_FAST_PAGE_FAULT } from '../hooks.ts';
import { markPageDirty } from '../memslots/dirty-log.ts';
import { PT_PAGE_TABLE_LEVEL, PT_WRITABLE_MASK, type Mmu } from './mmu.ts';
import { PFERR_PRESENT_MASK, PFERR_RSVD_MASK, PFERR_WRITE_MASK } from './mmu-fault-error.ts';
import { isLastSpte, isLocklesslyModifiable, isShadowPresent, noteSpteChange, spteGfn } from './mmu-spte.ts';
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
 * @returns true: let the vCPU try again; false: the full path has to look at it
 */
export function fastPageFault(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  level: number,
  errorCode: number,
): boolean {
  if (!canBeFast(errorCode)) return false;
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
  return retry;
}
