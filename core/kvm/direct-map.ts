/**
 * Ordinary faults of direct maps (arch/x86/kvm/mmu.c of v3.11): tdp_page_fault for EPT and NPT, nonpaging_page_fault for a
 * guest without paging under the shadow MMU, and __direct_map, which both end in.
 */
import { MEMSLOT_DIRTY_BITMAP } from '../arena/memslot-layout.ts';
import {
  gfnToMemslot,
  KVM_PFN_ERR_FAULT,
  KVM_PFN_ERR_RO_FAULT,
  KVM_PFN_NOSLOT,
  memslotIsReadonly,
  NO_SLOT,
  slotGfnToPfn,
} from './memslots.ts';
import { vcpuCacheMmioInfo } from './mmio-cache.ts';
import { MMU_SHADOW, mmuLock, mmuUnlock, PT_PAGE_TABLE_LEVEL, type Mmu } from './mmu.ts';
import { PFERR_WRITE_MASK } from './mmu-fault-error.ts';
import { fastPageFault } from './mmu-fast-fault.ts';
import { mmuSetSpte } from './mmu-set-spte.ts';
import { isShadowPresent } from './mmu-spte.ts';
import { entryOffset, walkLevel, walkRoot } from './mmu-walk.ts';
import { getDirectPage, linkShadowPage } from './shadow-page.ts';
import { makePagesAvailable } from './shadow-page-zap.ts';
import { ACC_ALL } from './spte-mmio.ts';
import { vcpuCounterWord } from './stats.ts';

/** What a page fault handler answers: go on in the guest, emulate the instruction, or a negative errno. */
export const FAULT_RESUME = 0;
export const FAULT_EMULATE = 1;
export const FAULT_EFAULT = -14;

/** PTE_PREFETCH_NUM. */
const PREFETCH = 8;
/** Frames under one entry of a table, by level. */
const FRAMES = [0, 1, 512, 262144, 134217728];

/**
 * direct_pte_prefetch_many: a run of empty entries, mapped as not accessed. All of it must lie in one slot that can be
 * written and does not log dirty pages, or none of it is mapped and prefetching ends.
 */
function prefetchRun(mmu: Mmu, vcpuId: number, start: number, end: number, firstGfn: number): boolean {
  const { arena } = mmu;
  const slot = gfnToMemslot(arena, firstGfn);
  const count = (end - start) >> 3;
  if (slot === NO_SLOT || mmu.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2] !== 0) return false;
  if (gfnToMemslot(arena, firstGfn + count - 1) !== slot) return false;
  for (let i = 0; i < count; i++) if (slotGfnToPfn(arena, slot, firstGfn + i, true) < 0) return false;
  for (let i = 0; i < count; i++) {
    const pfn = slotGfnToPfn(arena, slot, firstGfn + i, true);
    mmuSetSpte(mmu, vcpuId, start + i * 8, firstGfn + i, pfn, true, true);
  }
  return true;
}

/**
 * direct_pte_prefetch: fills the empty runs among the eight aligned neighbours of a leaf, each run that a present entry (or
 * the leaf itself) closes. Not where accesses leave no trace: EPT without A/D flags.
 */
function directPtePrefetch(mmu: Mmu, vcpuId: number, sptep: number, gfn: number): void {
  if (mmu.accessedMask === 0) return;
  const { i32 } = mmu;
  const first = sptep & ~(PREFETCH * 8 - 1);
  const firstGfn = gfn - ((sptep - first) >> 3);
  let start = 0;
  for (let entry = first; entry < first + PREFETCH * 8; entry += 8) {
    if (entry !== sptep && !isShadowPresent(mmu, i32[entry >> 2], i32[(entry >> 2) + 1])) {
      if (start === 0) start = entry;
    } else if (start !== 0) {
      if (!prefetchRun(mmu, vcpuId, start, entry, firstGfn + ((start - first) >> 3))) return;
      start = 0;
    }
  }
}

/** __direct_map with a 4 KiB leaf. True: the access must be emulated. */
function directMap(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  gfn: number,
  pfn: number,
  mapWritable: boolean,
): boolean {
  const { i32 } = mmu;
  let table = walkRoot(mmu, r, lo);
  for (let level = walkLevel(mmu); level > PT_PAGE_TABLE_LEVEL; level--) {
    const sptep = table + entryOffset(lo, hi, level);
    if (!isShadowPresent(mmu, i32[sptep >> 2], i32[(sptep >> 2) + 1])) {
      const frames = FRAMES[level];
      const page = getDirectPage(mmu, vcpuId, gfn - (gfn % frames), level - 1, ACC_ALL, sptep);
      linkShadowPage(mmu, sptep, page);
    }
    table = i32[sptep >> 2] & ~0xfff;
  }
  const sptep = table + entryOffset(lo, hi, PT_PAGE_TABLE_LEVEL);
  const emulate = mmuSetSpte(mmu, vcpuId, sptep, gfn, pfn, false, mapWritable);
  directPtePrefetch(mmu, vcpuId, sptep, gfn);
  mmu.f64[vcpuCounterWord(mmu.arena, vcpuId, 'pf_fixed')] += 1;
  return emulate;
}

/**
 * The part of tdp_page_fault and nonpaging_map that they share: everything after the MMIO check. Large mappings
 * (mapping_level, transparent_hugepage_adjust) will decide on a level here; now it is always 1.
 * @returns FAULT_RESUME, FAULT_EMULATE or a negative errno
 */
export function directPageFault(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  errorCode: number,
): number {
  const { arena } = mmu;
  const gfn = (lo >>> 12) + (hi >>> 0) * 0x10_0000;
  if (fastPageFault(mmu, r, vcpuId, lo, hi, errorCode)) return FAULT_RESUME;

  const write = (errorCode & PFERR_WRITE_MASK) !== 0;
  const slot = gfnToMemslot(arena, gfn);
  const pfn = slotGfnToPfn(arena, slot, gfn, write);
  // handle_abnormal_pfn. A write to a read-only slot is emulated and leaves no MMIO spte, so that reads still reach RAM.
  if (pfn === KVM_PFN_ERR_RO_FAULT) return FAULT_EMULATE;
  if (pfn === KVM_PFN_ERR_FAULT) return FAULT_EFAULT;
  if (pfn === KVM_PFN_NOSLOT) {
    // tdp_page_fault caches no gva; nonpaging_map does, as gva and gpa are the same there.
    const shadow = mmu.mode === MMU_SHADOW;
    vcpuCacheMmioInfo(mmu, r, shadow ? lo : 0, shadow ? hi : 0, gfn, ACC_ALL);
  }
  // Four levels translate 48 bits and a gpa above them would come out at the entry of another one. v3.11 had no host with
  // addresses so wide; later kernels emulate what is beyond kvm_mmu_max_gfn and map nothing.
  if (hi >>> 16 !== 0) return FAULT_EMULATE;
  // A host page can be written unless the slot forbids it, so a read maps it writable too.
  const mapWritable = pfn >= 0 && !memslotIsReadonly(arena, slot);

  mmuLock(mmu);
  makePagesAvailable(mmu);
  const emulate = directMap(mmu, r, vcpuId, lo, hi, gfn, pfn, mapWritable);
  mmuUnlock(mmu);
  return emulate ? FAULT_EMULATE : FAULT_RESUME;
}
