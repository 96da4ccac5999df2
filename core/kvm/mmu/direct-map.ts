/**
 * Ordinary faults of direct maps (arch/x86/kvm/mmu.c of v3.11): tdp_page_fault for EPT and NPT, nonpaging_page_fault for a
 * guest without paging under the shadow MMU, and __direct_map, which both end in.
 */
import { MEMSLOT_DIRTY_BITMAP } from '../../arena/memslot-layout.ts';
import { gfnToMemslot, memslotIsReadonly, NO_SLOT, slotGfnToPfn } from '../memslots/memslots.ts';
import { ERA_V6_8 } from '../eras.ts';
import { MMU_SHADOW, mmuLock, mmuUnlock, PT_DIRECTORY_LEVEL, PT_PAGE_TABLE_LEVEL, type Mmu } from './mmu.ts';
import { PFERR_WRITE_MASK } from './mmu-fault-error.ts';
import { fastPageFault } from './mmu-fast-fault.ts';
import {
  canAdjustToHugePage,
  HOST_PAGES_4K,
  hugePageGfn,
  mappingLevel,
  mappingLevelDirtyBitmap,
} from './large-page-level.ts';
import { KVM_PAGES_PER_HPAGE } from '../memslots/lpage-info.ts';
import { mmuSetSpte } from './mmu-set-spte.ts';
import { isLastSpte, isShadowPresent } from './mmu-spte.ts';
import { entryOffset, walkLevel, walkRoot } from './mmu-walk.ts';
import { getDirectPage, linkShadowPage } from './shadow-page.ts';
import {
  answerLookup,
  FAULT_CONTINUE,
  FAULT_EFAULT,
  FAULT_EMULATE,
  FAULT_RESUME,
  FAULT_SPURIOUS,
} from '../mmio/noslot-fault.ts';
import { countLeafSet, countPageFault } from './page-fault-stats.ts';
import { makePagesAvailable } from './shadow-page-zap.ts';
import { ACC_ALL, ACC_WRITE_MASK } from '../spte/spte-mmio.ts';
import { traceMmuSpteRequested } from '../trace/trace-events.ts';

export { FAULT_EFAULT, FAULT_EMULATE, FAULT_RESUME };

/** PTE_PREFETCH_NUM. */
const PREFETCH = 8;

/**
 * direct_pte_prefetch_many: a run of empty entries, mapped as not accessed. All of it must lie in one slot that can be
 * written and does not log dirty pages, or none of it is mapped and prefetching ends.
 */
function prefetchRun(mmu: Mmu, vcpuId: number, start: number, end: number, firstGfn: number, access: number): boolean {
  const { arena } = mmu;
  const slot = gfnToMemslot(arena, firstGfn);
  const count = (end - start) >> 3;
  const logs = slot !== NO_SLOT && mmu.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2] !== 0;
  if (slot === NO_SLOT || (logs && (access & ACC_WRITE_MASK) !== 0)) return false;
  if (gfnToMemslot(arena, firstGfn + count - 1) !== slot) return false;
  for (let i = 0; i < count; i++) if (slotGfnToPfn(arena, slot, firstGfn + i, true) < 0) return false;
  for (let i = 0; i < count; i++) {
    const pfn = slotGfnToPfn(arena, slot, firstGfn + i, true);
    mmuSetSpte(mmu, vcpuId, start + i * 8, access, false, PT_PAGE_TABLE_LEVEL, firstGfn + i, pfn, true, true);
  }
  return true;
}

/**
 * direct_pte_prefetch: fills the empty runs among the eight aligned neighbours of a leaf, each run that a present entry (or
 * the leaf itself) closes. Not where accesses leave no trace: EPT without A/D flags.
 */
export function directPtePrefetch(mmu: Mmu, vcpuId: number, sptep: number, gfn: number, access: number): void {
  if (mmu.accessedMask === 0) return;
  const { i32 } = mmu;
  const first = sptep & ~(PREFETCH * 8 - 1);
  const firstGfn = gfn - ((sptep - first) >> 3);
  let start = 0;
  for (let entry = first; entry < first + PREFETCH * 8; entry += 8) {
    if (entry !== sptep && !isShadowPresent(mmu, i32[entry >> 2], i32[(entry >> 2) + 1])) {
      if (start === 0) start = entry;
    } else if (start !== 0) {
      if (!prefetchRun(mmu, vcpuId, start, entry, firstGfn + ((start - first) >> 3), access)) return;
      start = 0;
    }
  }
}

/**
 * __direct_map.
 * @returns FAULT_*
 * @param level where the leaf goes; gfn and pfn are the first ones of its page
 */
function directMap(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  write: boolean,
  level: number,
  gfn: number,
  pfn: number,
  mapWritable: boolean,
): number {
  const { i32 } = mmu;
  traceMmuSpteRequested(mmu.arena, vcpuId, lo, gfn, pfn, level);
  let table = walkRoot(r, lo);
  for (let at = walkLevel(r); at > level; at--) {
    const sptep = table + entryOffset(lo, hi, at);
    const spteLo = i32[sptep >> 2];
    if (!isShadowPresent(mmu, spteLo, i32[(sptep >> 2) + 1])) {
      const frames = KVM_PAGES_PER_HPAGE[at];
      const page = getDirectPage(mmu, vcpuId, gfn - (gfn % frames), at - 1, ACC_ALL, sptep);
      linkShadowPage(mmu, sptep, page);
    } else if (isLastSpte(spteLo, at)) {
      // A large page is mapped there already, and the kernel's walk ends at it: the guest tries again.
      return FAULT_RESUME;
    }
    table = i32[sptep >> 2] & ~0xfff;
  }
  const sptep = table + entryOffset(lo, hi, level);
  const answer = mmuSetSpte(mmu, vcpuId, sptep, ACC_ALL, write, level, gfn, pfn, false, mapWritable);
  const prefetches = level === PT_PAGE_TABLE_LEVEL && (mmu.era !== ERA_V6_8 || answer !== FAULT_SPURIOUS);
  if (prefetches) directPtePrefetch(mmu, vcpuId, sptep, gfn, ACC_ALL);
  countLeafSet(mmu, vcpuId);
  return answer;
}

/**
 * The part of tdp_page_fault and nonpaging_map that they share: everything after the MMIO check.
 * @returns FAULT_RESUME, FAULT_EMULATE or a negative errno
 */
export const directPageFault = (
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  errorCode: number,
): number => countPageFault(mmu, vcpuId, directFault(mmu, r, vcpuId, lo, hi, errorCode));

function directFault(mmu: Mmu, r: Int32Array, vcpuId: number, lo: number, hi: number, errorCode: number): number {
  const { arena } = mmu;
  let gfn = (lo >>> 12) + (hi >>> 0) * 0x10_0000;
  let slot = gfnToMemslot(arena, gfn);
  let level = PT_PAGE_TABLE_LEVEL;
  const large = mmu.hostPages !== HOST_PAGES_4K && !mappingLevelDirtyBitmap(mmu, slot);
  if (large) {
    level = mappingLevel(mmu, slot, gfn);
    // PAE tables of a guest without paging map 2 MiB at most: their third level is pae_root.
    if (mmu.mode === MMU_SHADOW && level > PT_DIRECTORY_LEVEL) level = PT_DIRECTORY_LEVEL;
    gfn -= gfn % KVM_PAGES_PER_HPAGE[level];
    // try_async_pf looks the first frame up anew, and finds no slot when MOVE has kept lpage_info of another place (audit-era-bugs.ts).
    if (level > PT_PAGE_TABLE_LEVEL) slot = gfnToMemslot(arena, gfn);
  }
  const fast = fastPageFault(mmu, r, vcpuId, lo, hi, level, errorCode);
  if (fast !== FAULT_CONTINUE) return fast;

  const write = (errorCode & PFERR_WRITE_MASK) !== 0;
  let pfn = slotGfnToPfn(arena, slot, gfn, write);
  // tdp_page_fault caches no gva; nonpaging_map does, as gva and gpa are the same there.
  const shadow = mmu.mode === MMU_SHADOW;
  const answer = answerLookup(mmu, r, vcpuId, shadow ? lo : 0, shadow ? hi : 0, gfn, slot, pfn, ACC_ALL);
  if (answer !== FAULT_CONTINUE) return answer;
  // Four levels translate 48 bits and a gpa above them would come out at the entry of another one. v3.11 had no host with
  // addresses so wide; later kernels emulate what is beyond kvm_mmu_max_gfn and map nothing.
  if (hi >>> 16 !== 0) return FAULT_EMULATE;
  // A host page can be written unless the slot forbids it, so a read maps it writable too.
  const mapWritable = pfn >= 0 && !memslotIsReadonly(arena, slot);

  mmuLock(mmu);
  makePagesAvailable(mmu);
  if (large && level === PT_PAGE_TABLE_LEVEL && pfn >= 0 && canAdjustToHugePage(mmu, slot, gfn, pfn)) {
    level = PT_DIRECTORY_LEVEL;
    gfn = hugePageGfn(gfn, pfn);
    pfn -= pfn % KVM_PAGES_PER_HPAGE[level];
  }
  const mapped = directMap(mmu, r, vcpuId, lo, hi, write, level, gfn, pfn, mapWritable);
  mmuUnlock(mmu);
  return mapped;
}
