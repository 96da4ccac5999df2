/**
 * What KVM does to all sptes of a frame (arch/x86/kvm/mmu.c of v3.11): write protection for dirty logging and unmapping.
 * The lists themselves are in rmap-list.ts.
 */
import { MEMSLOT_BASE_GFN, MEMSLOT_NPAGES } from '../../arena/memslot-layout.ts';
import { dropLargeSpteNoFlush } from './large-page-drop.ts';
import { gfnToIndex, gfnToMemslot, slotRmapWord } from '../memslots/memslots.ts';
import { maxMappingLevel } from './large-page-level.ts';
import {
  mmuLock,
  mmuLockBreak,
  mmuLockWanted,
  mmuUnlock,
  PT_DIRECTORY_LEVEL,
  PT_PAGE_TABLE_LEVEL,
  PT_PDPE_LEVEL,
  PT_WRITABLE_MASK,
  type Mmu,
} from './mmu.ts';
import { dropSpte, isLocklesslyModifiable, mmuSpteUpdate, spteGfn } from './mmu-spte.ts';
import { flushRemoteTlbs } from '../vcpu/requests.ts';
import { pteListAt, pteListFirst } from './rmap-list.ts';
import { pageGfnWord, pageHeader, pageOfHpa, pageRole } from './shadow-page-pool.ts';
import { ROLE_DIRECT, roleLevel } from './shadow-page-role.ts';
import { SP_ROLE } from '../../arena/mmu-layout.ts';

/** int32 index of the rmap word of a frame at a level. */
const rmapWord = (mmu: Mmu, slot: number, gfn: number, level: number): number =>
  slotRmapWord(mmu.arena, slot, gfn, level) >> 2;

/**
 * __rmap_write_protect: takes W.
 * @param ptProtect for a guest page table: takes MMU_WRITEABLE too. Dirty logging keeps it, so that the fast path may give W back.
 * @returns whether TLBs must be flushed
 */
function rmapWriteProtect(mmu: Mmu, word: number, ptProtect: boolean): boolean {
  let flush = false;
  for (let position = 0; ;) {
    const sptep = pteListAt(mmu, word, position);
    if (sptep === 0) return flush;
    const lo = mmu.i32[sptep >> 2];
    const hi = mmu.i32[(sptep >> 2) + 1];
    if ((lo & PT_WRITABLE_MASK) === 0 && !(ptProtect && isLocklesslyModifiable(mmu, lo, hi))) {
      position++;
    } else if (dropLargeSpteNoFlush(mmu, sptep)) {
      // Large mappings are not protected but dropped, and the list begins anew.
      flush = true;
      position = 0;
    } else {
      const keepLo = ~(PT_WRITABLE_MASK | (ptProtect ? mmu.mmuWriteableLo : 0));
      const keepHi = ~(ptProtect ? mmu.mmuWriteableHi : 0);
      if (mmuSpteUpdate(mmu, sptep, lo & keepLo, hi & keepHi)) flush = true;
      position++;
    }
  }
}

/** rmap_write_protect: every mapping of a frame that holds a guest page table, whatever its size. The caller flushes if told to. */
export function rmapWriteProtectGfn(mmu: Mmu, gfn: number): boolean {
  const slot = gfnToMemslot(mmu.arena, gfn);
  if (slot < 0) return false;
  let flush = false;
  for (let level = 1; level <= 3; level++) {
    if (rmapWriteProtect(mmu, rmapWord(mmu, slot, gfn, level), true)) flush = true;
  }
  return flush;
}

/** kvm_mmu_write_protect_pt_masked. The caller holds mmu_lock and flushes. */
export function writeProtectPtMasked(mmu: Mmu, slot: number, gfnOffset: number, mask: number): void {
  const base = mmu.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  for (let left = mask; left !== 0; left &= left - 1) {
    rmapWriteProtect(mmu, rmapWord(mmu, slot, base + gfnOffset + 31 - Math.clz32(left & -left), 1), false);
  }
}

/**
 * slot_handle_level of 4.2 and later: every rmap of a slot, level by level up to `topLevel`. Whoever gets mmu_lock in between finds
 * no TLB that still allows what the entries do not.
 * @param handle of one rmap word; @returns whether TLBs must be flushed
 * @returns whether they must still be at the end; the caller holds mmu_lock
 */
function slotHandleLevel(mmu: Mmu, slot: number, topLevel: number, handle: (word: number) => boolean): boolean {
  const base = mmu.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  const last = base + mmu.f64[(slot + MEMSLOT_NPAGES) >> 3] - 1;
  let flush = false;
  for (let level = PT_PAGE_TABLE_LEVEL; level <= topLevel; level++) {
    const first = rmapWord(mmu, slot, base, level);
    const count = gfnToIndex(last, base, level) + 1;
    for (let index = 0; index < count; index++) {
      // A u64 word per frame, of which the low half is in use.
      if (handle(first + 2 * index)) flush = true;
      if (!mmuLockWanted(mmu)) continue;
      if (flush) flushRemoteTlbs(mmu);
      flush = false;
      mmuLockBreak(mmu);
    }
  }
  return flush;
}

/** kvm_mmu_slot_remove_write_access: all levels of a slot whose logging is switched on. v3.11 flushes whatever it has found. */
export function slotRemoveWriteAccess(mmu: Mmu, slot: number): void {
  mmuLock(mmu);
  slotHandleLevel(mmu, slot, PT_PDPE_LEVEL, (word) => {
    if (mmu.i32[word] !== 0) rmapWriteProtect(mmu, word, false);
    return true;
  });
  flushRemoteTlbs(mmu);
  mmuUnlock(mmu);
}

/**
 * kvm_rmap_zap_collapsible_sptes of v6.8: sptes of direct pages that could be larger than they are. The next access maps what
 * fits. Not those that mirror entries of the guest's own tables.
 * @returns whether TLBs must be flushed
 */
function rmapZapCollapsible(mmu: Mmu, slot: number, word: number): boolean {
  let flush = false;
  for (let position = 0; ;) {
    const sptep = pteListAt(mmu, word, position);
    if (sptep === 0) return flush;
    const page = pageOfHpa(mmu, sptep);
    const role = pageRole(mmu, page);
    const fits = (role & ROLE_DIRECT) === 0 ? 0 : maxMappingLevel(mmu, slot, mmu.f64[pageGfnWord(mmu, page)]);
    if (roleLevel(role) < fits) {
      dropSpte(mmu, sptep);
      flush = true;
      position = 0;
    } else position++;
  }
}

/** kvm_mmu_zap_collapsible_sptes: all levels that could be larger, of a slot whose logging has ended. */
export function zapCollapsibleSptes(mmu: Mmu, slot: number): void {
  mmuLock(mmu);
  if (slotHandleLevel(mmu, slot, PT_DIRECTORY_LEVEL, (word) => rmapZapCollapsible(mmu, slot, word))) {
    flushRemoteTlbs(mmu);
  }
  mmuUnlock(mmu);
}

/** rmap_recycle: a frame mapped too often is unmapped everywhere. */
export function rmapRecycle(mmu: Mmu, sptep: number): void {
  const gfn = spteGfn(mmu, sptep);
  const level = roleLevel(mmu.i32[pageHeader(mmu, pageOfHpa(mmu, sptep)) + (SP_ROLE >> 2)]);
  const word = rmapWord(mmu, gfnToMemslot(mmu.arena, gfn), gfn, level);
  while (mmu.i32[word] !== 0) dropSpte(mmu, pteListFirst(mmu, word));
  flushRemoteTlbs(mmu);
}
