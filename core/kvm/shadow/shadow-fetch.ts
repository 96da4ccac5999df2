/**
 * FNAME(fetch) with FNAME(gpte_changed) and FNAME(pte_prefetch) (arch/x86/kvm/paging_tmpl.h of v3.11): makes the way from the
 * root to a leaf for what a walk of the guest's tables found. Under mmu_lock; the guest's tables are looked at once more as
 * each gets write-protected, because the walk was made without the lock.
 */
import { SP_ROLE } from '../../arena/mmu-layout.ts';
import { ERA_V6_8 } from '../eras.ts';
import { gpteBytes, guestRootLevel } from './guest-paging.ts';
import { PTE_PREFETCH_NUM, type GuestWalker } from './guest-walker.ts';
import { directPtePrefetch } from '../mmu/direct-map.ts';
import { dropLargeSpte } from '../mmu/large-page-drop.ts';
import { KVM_PAGES_PER_HPAGE } from '../memslots/lpage-info.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { PT32_ROOT_LEVEL, PT32E_ROOT_LEVEL, PT_PAGE_SIZE_MASK, PT_PAGE_TABLE_LEVEL, type Mmu } from '../mmu/mmu.ts';
import { mmuSetSpte } from '../mmu/mmu-set-spte.ts';
import { isShadowPresent } from '../mmu/mmu-spte.ts';
import { entryOffset, walkLevel, walkRoot } from '../mmu/mmu-walk.ts';
import { flushRemoteTlbs } from '../vcpu/requests.ts';
import { clearSpWriteFloodingCount, getPage, linkShadowPage, putPage } from '../mmu/shadow-page.ts';
import { pageHeader, pageOfHpa, pageRole } from '../mmu/shadow-page-pool.ts';
import { ROLE_DIRECT, roleAccess } from '../mmu/shadow-page-role.ts';
import { dropParentPte } from '../mmu/shadow-page-zap.ts';
import { traceMmuSpteRequested } from '../trace/trace-events.ts';
import { FAULT_RESUME, FAULT_SPURIOUS } from '../mmio/noslot-fault.ts';
import { prefetchGpte } from './shadow-gpte.ts';

/** FNAME(gpte_changed). At level 1 the eight entries around are read along, for prefetching. */
function gpteChanged(mmu: Mmu, r: Int32Array, walker: GuestWalker, level: number): boolean {
  const { i32 } = mmu;
  const pfn = gfnToPfn(mmu.arena, walker.tableGfn[level - 1], false);
  if (pfn < 0) return true;
  const bytes = gpteBytes(r);
  const at = (pfn << 12) + walker.entryOffset[level - 1];
  if (level === PT_PAGE_TABLE_LEVEL) {
    const first = at & ~(PTE_PREFETCH_NUM * bytes - 1);
    for (let i = 0; i < PTE_PREFETCH_NUM; i++) {
      walker.prefetchLo[i] = i32[(first + i * bytes) >> 2];
      walker.prefetchHi[i] = bytes === 8 ? i32[((first + i * 8) >> 2) + 1] : 0;
    }
  }
  const hi = bytes === 8 ? i32[(at >> 2) + 1] : 0;
  return i32[at >> 2] !== walker.ptesLo[level - 1] || hi !== walker.ptesHi[level - 1];
}

/** validate_direct_spte: a table that maps the large guest page with other rights than it has now is let go. */
function validateDirectSpte(mmu: Mmu, sptep: number, directAccess: number): void {
  const lo = mmu.i32[sptep >> 2];
  if (!isShadowPresent(mmu, lo, mmu.i32[(sptep >> 2) + 1]) || (lo & PT_PAGE_SIZE_MASK) !== 0) return;
  const child = pageOfHpa(mmu, lo & ~0xfff);
  if (roleAccess(pageRole(mmu, child)) === directAccess) return;
  dropParentPte(mmu, child, sptep);
  flushRemoteTlbs(mmu);
}

/** FNAME(pte_prefetch). */
function ptePrefetch(mmu: Mmu, r: Int32Array, vcpuId: number, walker: GuestWalker, sptep: number): void {
  const page = pageOfHpa(mmu, sptep);
  const role = mmu.i32[pageHeader(mmu, page) + (SP_ROLE >> 2)];
  if ((role & 0xf) > PT_PAGE_TABLE_LEVEL) return;
  if ((role & ROLE_DIRECT) !== 0) {
    directPtePrefetch(mmu, vcpuId, sptep, walker.gfn, roleAccess(role));
    return;
  }
  const first = sptep & ~(PTE_PREFETCH_NUM * 8 - 1);
  for (let i = 0; i < PTE_PREFETCH_NUM; i++) {
    const spte = first + 8 * i;
    if (spte === sptep || isShadowPresent(mmu, mmu.i32[spte >> 2], mmu.i32[(spte >> 2) + 1])) continue;
    if (!prefetchGpte(mmu, r, vcpuId, spte, walker.prefetchLo[i], walker.prefetchHi[i], true)) return;
  }
}

/**
 * FNAME(fetch).
 * @param hlevel level of the leaf; for a large guest page that the host maps in smaller ones, below the guest's
 * @returns FAULT_*: FAULT_RESUME, with nothing mapped, when the guest's tables have changed meanwhile
 */
export function fetch(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  walker: GuestWalker,
  writeFault: boolean,
  hlevel: number,
  pfn: number,
  mapWritable: boolean,
): number {
  const { i32 } = mmu;
  const rootLevel = guestRootLevel(r);
  const topLevel = rootLevel === PT32E_ROOT_LEVEL ? PT32_ROOT_LEVEL : rootLevel;
  if (gpteChanged(mmu, r, walker, topLevel)) return FAULT_RESUME;
  let table = walkRoot(r, lo);
  if (table === 0) return FAULT_RESUME;
  let level = walkLevel(r);
  for (; level > walker.level; level--) {
    const sptep = table + entryOffset(lo, hi, level);
    clearSpWriteFloodingCount(mmu, sptep);
    dropLargeSpte(mmu, sptep);
    let page = -1;
    if (!isShadowPresent(mmu, i32[sptep >> 2], i32[(sptep >> 2) + 1])) {
      // v3.11 gives every table the rights of the whole way down to the leaf (CVE-2021-38198), since 5.13 each has its own.
      const access = mmu.era === ERA_V6_8 ? walker.accessAbove[level - 2] : walker.ptAccess;
      page = getPage(mmu, vcpuId, walker.tableGfn[level - 2], lo, level - 1, false, access, sptep);
    }
    if (gpteChanged(mmu, r, walker, level - 1)) {
      if (page >= 0) putPage(mmu, page, sptep);
      return FAULT_RESUME;
    }
    if (page >= 0) linkShadowPage(mmu, sptep, page);
    table = i32[sptep >> 2] & ~0xfff;
  }
  // Later kernels: the frame and level asked for, once the tables that the guest has are there.
  traceMmuSpteRequested(mmu.arena, vcpuId, lo, walker.gfn, pfn, hlevel);
  for (; level > hlevel; level--) {
    const sptep = table + entryOffset(lo, hi, level);
    clearSpWriteFloodingCount(mmu, sptep);
    validateDirectSpte(mmu, sptep, walker.pteAccess);
    dropLargeSpte(mmu, sptep);
    if (!isShadowPresent(mmu, i32[sptep >> 2], i32[(sptep >> 2) + 1])) {
      const gfn = walker.gfn - (walker.gfn % KVM_PAGES_PER_HPAGE[level]);
      linkShadowPage(mmu, sptep, getPage(mmu, vcpuId, gfn, lo, level - 1, true, walker.pteAccess, sptep));
    }
    table = i32[sptep >> 2] & ~0xfff;
  }
  const sptep = table + entryOffset(lo, hi, level);
  clearSpWriteFloodingCount(mmu, sptep);
  const { pteAccess, gfn } = walker;
  const answer = mmuSetSpte(mmu, vcpuId, sptep, pteAccess, writeFault, level, gfn, pfn, false, mapWritable);
  if (mmu.era !== ERA_V6_8 || answer !== FAULT_SPURIOUS) ptePrefetch(mmu, r, vcpuId, walker, sptep);
  return answer;
}
