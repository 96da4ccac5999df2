/**
 * One entry of a shadowed page table (prefetch_invalid_gpte, FNAME(prefetch_gpte), FNAME(update_pte) and sync_mmio_spte of
 * arch/x86/kvm, v3.11): what its spte becomes without the guest having asked for the page.
 */
import { MEMSLOT_DIRTY_BITMAP } from '../../arena/memslot-layout.ts';
import { SP_GFN, SP_ROLE } from '../../arena/mmu-layout.ts';
import { ACC_WRITE_MASK } from '../spte/access-bits.ts';
import { gpteAccess, gpteBytes, gpteToGfn, isRsvdBitsSet, protectCleanGpte } from './guest-paging.ts';
import { gfnToMemslot, gfnToPfn, KVM_PFN_ERR_FAULT, NO_SLOT, slotGfnToPfn } from '../memslots/memslots.ts';
import { markMmioSpte } from '../mmio/mmio-spte.ts';
import { PT_ACCESSED_MASK, PT_PAGE_TABLE_LEVEL, PT_PRESENT_MASK, type Mmu } from '../mmu/mmu.ts';
import { mmuSetSpte } from '../mmu/mmu-set-spte.ts';
import { dropSpte, isMmio, mmuSpteClear } from '../mmu/mmu-spte.ts';
import { pageHeader, pageOfHpa } from '../mmu/shadow-page-pool.ts';
import { roleAccess, roleQuadrant } from '../mmu/shadow-page-role.ts';
import { mmioSpteGfn } from '../spte/spte-mmio.ts';

/**
 * FNAME(get_level1_sp_gpa), as an arena offset: where the guest's entries for a page of level 1 begin. −1 when they cannot be
 * read (kvm_read_guest_atomic).
 */
export function guestTableAt(mmu: Mmu, r: Int32Array, page: number): number {
  const header = pageHeader(mmu, page);
  const pfn = gfnToPfn(mmu.arena, mmu.f64[((header << 2) + SP_GFN) >> 3], false);
  if (pfn < 0) return -1;
  return (pfn << 12) + (gpteBytes(r) === 4 ? roleQuadrant(mmu.i32[header + (SP_ROLE >> 2)]) << 11 : 0);
}

/** prefetch_invalid_gpte: an entry that maps nothing, or was never used, loses its spte. */
export function prefetchInvalidGpte(mmu: Mmu, r: Int32Array, sptep: number, lo: number, hi: number): boolean {
  const valid =
    !isRsvdBitsSet(r, lo, hi, PT_PAGE_TABLE_LEVEL) && (lo & PT_PRESENT_MASK) !== 0 && (lo & PT_ACCESSED_MASK) !== 0;
  if (!valid) dropSpte(mmu, sptep);
  return !valid;
}

/** The access of an entry in a page: what the levels above allowed when the page was made, and its own bits. */
export function accessInPage(mmu: Mmu, r: Int32Array, page: number, lo: number, hi: number): number {
  const role = mmu.i32[pageHeader(mmu, page) + (SP_ROLE >> 2)];
  return protectCleanGpte(roleAccess(role) & gpteAccess(r, lo, hi), lo);
}

/** pte_prefetch_gfn_to_pfn: always a frame that may be written. */
function prefetchPfn(mmu: Mmu, gfn: number, noDirtyLog: boolean): number {
  const slot = gfnToMemslot(mmu.arena, gfn);
  if (slot === NO_SLOT || (noDirtyLog && mmu.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2] !== 0)) return KVM_PFN_ERR_FAULT;
  return slotGfnToPfn(mmu.arena, slot, gfn, true);
}

/** FNAME(prefetch_gpte): false when nothing was mapped. Never makes an MMIO spte. */
export function prefetchGpte(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  sptep: number,
  lo: number,
  hi: number,
  noDirtyLog: boolean,
): boolean {
  if (prefetchInvalidGpte(mmu, r, sptep, lo, hi)) return false;
  const gfn = gpteToGfn(r, lo, hi, PT_PAGE_TABLE_LEVEL);
  const access = accessInPage(mmu, r, pageOfHpa(mmu, sptep), lo, hi);
  const pfn = prefetchPfn(mmu, gfn, noDirtyLog && (access & ACC_WRITE_MASK) !== 0);
  if (pfn < 0) return false;
  mmuSetSpte(mmu, vcpuId, sptep, access, false, PT_PAGE_TABLE_LEVEL, gfn, pfn, true, true);
  return true;
}

/** FNAME(update_pte). */
export function updatePte(mmu: Mmu, r: Int32Array, vcpuId: number, sptep: number, lo: number, hi: number): void {
  prefetchGpte(mmu, r, vcpuId, sptep, lo, hi, false);
}

/**
 * sync_mmio_spte: whether the entry is (or was) an MMIO spte. One whose frame is still the guest's is marked afresh, with the
 * generation that is current now.
 */
export function syncMmioSpte(mmu: Mmu, vcpuId: number, sptep: number, gfn: number, access: number): boolean {
  const lo = mmu.i32[sptep >> 2];
  const hi = mmu.i32[(sptep >> 2) + 1];
  if (!isMmio(mmu, lo, hi)) return false;
  if (mmioSpteGfn(mmu.mmio, lo, hi) === gfn) markMmioSpte(mmu, vcpuId, sptep, gfn, access, true);
  else mmuSpteClear(mmu, sptep);
  return true;
}
