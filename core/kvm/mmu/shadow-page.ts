/** kvm_mmu_get_page and link_shadow_page (arch/x86/kvm/mmu.c of v3.11): finding a shadow page by gfn and role, or making one. */
import {
  SP_GFNS,
  SP_MMU_VALID_GEN,
  SP_PARENT_PTES,
  SP_ROLE,
  SP_UNSYNC,
  SP_WRITE_FLOODING_COUNT,
} from '../../arena/mmu-layout.ts';
import { guestRootLevel } from '../shadow/guest-paging.ts';
import { accountShadowed } from '../memslots/lpage-info.ts';
import { PT32_ROOT_LEVEL, PT_PAGE_TABLE_LEVEL, type Mmu } from './mmu.ts';
import { mmuSpteSet } from './mmu-spte.ts';
import { VCPU_BASE_ROLE } from './mmu-words.ts';
import { flushRemoteTlbs, KVM_REQ_MMU_SYNC, makeRequest } from '../vcpu/requests.ts';
import { pteListAdd, pteListRemove } from './rmap-list.ts';
import { rmapWriteProtectGfn } from './rmap.ts';
import { firstPageOfGfn, hashAdd, nextPageOfGfn, noteCollisions } from './shadow-page-hash.ts';
import {
  activeListAdd,
  gfnsWord,
  isObsolete,
  NO_PAGE,
  pageGfnWord,
  pageHeader,
  pageHpa,
  pageOfHpa,
  takePage,
} from './shadow-page-pool.ts';
import { directRole, indirectRole, quadrantRole } from './shadow-page-role.ts';
import { syncPages, syncPageTransient } from '../shadow/shadow-sync.ts';
import { traceMmuGetPage } from '../trace/trace-events.ts';
import { markParentsUnsync, unsyncChildren } from '../shadow/unsync.ts';

/** The vCPU's block. */
const wordsOf = (mmu: Mmu, vcpuId: number): Int32Array => mmu.vcpuWords[vcpuId];

/** clear_sp_write_flooding_count. */
export function clearSpWriteFloodingCount(mmu: Mmu, sptep: number): void {
  mmu.i32[pageHeader(mmu, pageOfHpa(mmu, sptep)) + (SP_WRITE_FLOODING_COUNT >> 2)] = 0;
}

/** kvm_mmu_alloc_page, the hash and the empty table. */
function makePage(mmu: Mmu, gfn: number, role: number, parentPte: number): number {
  const { i32, f64 } = mmu;
  const page = takePage(mmu);
  const header = pageHeader(mmu, page);
  activeListAdd(mmu, page);
  if (parentPte !== 0) pteListAdd(mmu, header + (SP_PARENT_PTES >> 2), parentPte);
  i32[mmu.usedPages] += 1;
  f64[pageGfnWord(mmu, page)] = gfn;
  i32[header + (SP_ROLE >> 2)] = role;
  hashAdd(mmu, page, gfn);
  i32[header + (SP_MMU_VALID_GEN >> 2)] = i32[mmu.validGen];
  const table = pageHpa(mmu, page) >> 2;
  i32.fill(0, table, table + 1024);
  return page;
}

/** A page that is there already: its new parent, and what of it is unsync. */
function reuse(mmu: Mmu, vcpuId: number, page: number, parentPte: number): number {
  const { i32 } = mmu;
  const header = pageHeader(mmu, page);
  if (parentPte !== 0) pteListAdd(mmu, header + (SP_PARENT_PTES >> 2), parentPte);
  if (unsyncChildren(mmu, page) !== 0) {
    makeRequest(mmu, vcpuId, KVM_REQ_MMU_SYNC);
    markParentsUnsync(mmu, page);
  } else if (i32[header + (SP_UNSYNC >> 2)] !== 0) {
    markParentsUnsync(mmu, page);
  }
  i32[header + (SP_WRITE_FLOODING_COUNT >> 2)] = 0;
  traceMmuGetPage(mmu.arena, vcpuId, header << 2, false);
  return page;
}

/**
 * kvm_mmu_get_page.
 * @param gaddr low half of the linear address that the page is made for: decides on the quadrant under 32-bit paging
 * @param direct the page maps frames from gfn on, instead of shadowing the guest's table at gfn
 * @param parentPte hpa of the spte that will point at the page, 0 for a root
 */
export function getPage(
  mmu: Mmu,
  vcpuId: number,
  gfn: number,
  gaddr: number,
  level: number,
  direct: boolean,
  access: number,
  parentPte: number,
): number {
  const { i32 } = mmu;
  const r = wordsOf(mmu, vcpuId);
  const base = r[VCPU_BASE_ROLE];
  let role = direct ? directRole(base, level, access) : indirectRole(base, level, access);
  if (guestRootLevel(r) === PT32_ROOT_LEVEL) role |= quadrantRole(gaddr, level);
  let needSync = false;
  for (let page = firstPageOfGfn(mmu, gfn); page !== NO_PAGE; page = nextPageOfGfn(mmu, page, gfn)) {
    if (isObsolete(mmu, page)) continue;
    const header = pageHeader(mmu, page);
    const unsync = i32[header + (SP_UNSYNC >> 2)] !== 0;
    if (unsync) needSync = true;
    if (i32[header + (SP_ROLE >> 2)] !== role) continue;
    if (unsync && !syncPageTransient(mmu, r, vcpuId, page)) break;
    noteCollisions(mmu, gfn, page);
    return reuse(mmu, vcpuId, page, parentPte);
  }
  mmu.f64[mmu.cCacheMiss] += 1;
  noteCollisions(mmu, gfn, NO_PAGE);
  const page = makePage(mmu, gfn, role, parentPte);
  const header = pageHeader(mmu, page);
  if (!direct) {
    i32[header + (SP_GFNS >> 2)] = gfnsWord(mmu, page) << 3;
    if (rmapWriteProtectGfn(mmu, gfn)) flushRemoteTlbs(mmu);
    if (level > PT_PAGE_TABLE_LEVEL && needSync) syncPages(mmu, r, vcpuId, gfn);
    accountShadowed(mmu, gfn);
  }
  traceMmuGetPage(mmu.arena, vcpuId, header << 2, true);
  return page;
}

/** kvm_mmu_get_page for tables that map guest physical addresses. */
export const getDirectPage = (
  mmu: Mmu,
  vcpuId: number,
  gfn: number,
  level: number,
  access: number,
  parentPte: number,
): number => getPage(mmu, vcpuId, gfn, 0, level, true, access, parentPte);

/** kvm_mmu_put_page: the page is not linked after all. */
export function putPage(mmu: Mmu, page: number, parentPte: number): void {
  pteListRemove(mmu, pageHeader(mmu, page) + (SP_PARENT_PTES >> 2), parentPte);
}

/** link_shadow_page: upper levels grant everything; what a mapping allows is said in its leaf. */
export function linkShadowPage(mmu: Mmu, sptep: number, page: number): void {
  mmuSpteSet(mmu, sptep, pageHpa(mmu, page) | mmu.linkBits, mmu.presentBitsHi);
}
