/**
 * Where shadow pages come from: a pool of pages with headers, a free list through SP_LINK_NEXT, and the list
 * active_mmu_pages. A page is named by its index; headers are `kvm_mmu_page`, the pages themselves are 4 KiB of 512 sptes.
 */
import { UmbraBug } from '../../base/assert.ts';
import {
  MMU_HASH_BUCKETS,
  MMU_PAGE_BYTES,
  SP_GFN,
  SP_IN_USE,
  SP_LINK_NEXT,
  SP_LINK_PREV,
  SP_MMU_VALID_GEN,
  SP_ROLE,
  VM_ACTIVE_HEAD,
  VM_ACTIVE_TAIL,
  VM_FREE_HEAD,
} from '../../arena/mmu-layout.ts';
import { ERA_V6_8 } from '../eras.ts';
import type { Mmu } from './mmu.ts';
import { ROLE_INVALID } from './shadow-page-role.ts';

export const NO_PAGE = -1;

/** int32 index of a page's header. */
export const pageHeader = (mmu: Mmu, page: number): number =>
  (mmu.arena.layout.mmuPages >> 2) + page * (MMU_PAGE_BYTES / 4);

/** f64 index of a page's gfn. */
export const pageGfnWord = (mmu: Mmu, page: number): number =>
  ((mmu.arena.layout.mmuPages + SP_GFN) >> 3) + page * (MMU_PAGE_BYTES / 8);

/** Host physical address of the page's 512 sptes: __pa(sp->spt). */
export const pageHpa = (mmu: Mmu, page: number): number => mmu.arena.layout.shadowPages + page * 4096;

/** f64 index of sp->gfns[0]: the frame that each entry of an indirect page maps. */
export const gfnsWord = (mmu: Mmu, page: number): number => (mmu.arena.layout.shadowGfns >> 3) + page * 512;

/** page_header(): the page whose table holds the spte (or starts) at that hpa. */
export const pageOfHpa = (mmu: Mmu, hpa: number): number => (hpa - mmu.arena.layout.shadowPages) >> 12;

export const pageRole = (mmu: Mmu, page: number): number => mmu.i32[pageHeader(mmu, page) + (SP_ROLE >> 2)];

/** is_obsolete_sp. Since 5.4 mmu_valid_gen is 0 or 1, and what is invalid is told by that. */
export const isObsolete = (mmu: Mmu, page: number): boolean =>
  mmu.i32[pageHeader(mmu, page) + (SP_MMU_VALID_GEN >> 2)] !== mmu.i32[mmu.validGen] ||
  (mmu.era === ERA_V6_8 && (pageRole(mmu, page) & ROLE_INVALID) !== 0);

/** Links every page of a fresh arena into the free list, lowest first. */
export function initPool(mmu: Mmu): void {
  const { i32, vm } = mmu;
  const count = mmu.arena.layout.config.shadowPages;
  for (let page = 0; page < count; page++) {
    i32[pageHeader(mmu, page) + (SP_LINK_NEXT >> 2)] = page + 1 < count ? page + 1 : NO_PAGE;
  }
  i32[(vm + VM_FREE_HEAD) >> 2] = 0;
  i32[(vm + VM_ACTIVE_HEAD) >> 2] = NO_PAGE;
  i32[(vm + VM_ACTIVE_TAIL) >> 2] = NO_PAGE;
  i32.fill(NO_PAGE, mmu.arena.layout.mmuHash >> 2, (mmu.arena.layout.mmuHash >> 2) + MMU_HASH_BUCKETS);
}

/** Takes a page; its header and table hold what their last user left. The quota keeps the pool from running dry. */
export function takePage(mmu: Mmu): number {
  const head = (mmu.vm + VM_FREE_HEAD) >> 2;
  const page = mmu.i32[head];
  if (page === NO_PAGE) throw new UmbraBug('the shadow page pool is empty although the quota leaves room');
  const header = pageHeader(mmu, page);
  mmu.i32[head] = mmu.i32[header + (SP_LINK_NEXT >> 2)];
  mmu.i32.fill(0, header, header + MMU_PAGE_BYTES / 4);
  mmu.i32[header + (SP_IN_USE >> 2)] = 1;
  return page;
}

export function givePage(mmu: Mmu, page: number): void {
  const head = (mmu.vm + VM_FREE_HEAD) >> 2;
  const header = pageHeader(mmu, page);
  mmu.i32[header + (SP_IN_USE >> 2)] = 0;
  mmu.i32[header + (SP_LINK_NEXT >> 2)] = mmu.i32[head];
  mmu.i32[head] = page;
}

/** list_add(&sp->link, &kvm->arch.active_mmu_pages): newest first. */
export function activeListAdd(mmu: Mmu, page: number): void {
  const { i32, vm } = mmu;
  const header = pageHeader(mmu, page);
  const headWord = (vm + VM_ACTIVE_HEAD) >> 2;
  const oldHead = i32[headWord];
  i32[header + (SP_LINK_NEXT >> 2)] = oldHead;
  i32[header + (SP_LINK_PREV >> 2)] = NO_PAGE;
  if (oldHead === NO_PAGE) i32[(vm + VM_ACTIVE_TAIL) >> 2] = page;
  else i32[pageHeader(mmu, oldHead) + (SP_LINK_PREV >> 2)] = page;
  i32[headWord] = page;
}

export function activeListRemove(mmu: Mmu, page: number): void {
  const { i32, vm } = mmu;
  const header = pageHeader(mmu, page);
  const older = i32[header + (SP_LINK_NEXT >> 2)];
  const newer = i32[header + (SP_LINK_PREV >> 2)];
  if (newer === NO_PAGE) i32[(vm + VM_ACTIVE_HEAD) >> 2] = older;
  else i32[pageHeader(mmu, newer) + (SP_LINK_NEXT >> 2)] = older;
  if (older === NO_PAGE) i32[(vm + VM_ACTIVE_TAIL) >> 2] = newer;
  else i32[pageHeader(mmu, older) + (SP_LINK_PREV >> 2)] = newer;
}
