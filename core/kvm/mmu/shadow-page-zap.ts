/**
 * Taking shadow pages away (arch/x86/kvm/mmu.c of v3.11: kvm_mmu_prepare_zap_page, kvm_mmu_commit_zap_page,
 * make_mmu_pages_available, kvm_mmu_change_mmu_pages, kvm_mmu_invalidate_zap_all_pages; and what came before it, the walks of
 * v3.10 and of the patch). A zapped page goes to a list first and back to the pool only after TLBs are flushed.
 */
import { UmbraBug } from '../../base/assert.ts';
import {
  SP_LINK_NEXT,
  SP_LINK_PREV,
  SP_MMIO_CACHED,
  SP_PARENT_PTES,
  SP_ROLE,
  SP_ROOT_COUNT,
  VM_ACTIVE_HEAD,
  VM_ACTIVE_TAIL,
} from '../../arena/mmu-layout.ts';
import { TP_MMU_PREPARE_ZAP_PAGE } from '../../base/tracepoints.ts';
import { ERA_V6_8 } from '../eras.ts';
import { unaccountShadowed } from '../memslots/lpage-info.ts';
import { mmuLock, mmuLockBreak, mmuUnlock, PT_PAGE_TABLE_LEVEL, type Mmu } from './mmu.ts';
import { dropSpte, isLastSpte, isMmio, isShadowPresent, mmuSpteClear } from './mmu-spte.ts';
import { WATCH_ZAPS } from '../hooks.ts';
import { VM_INVALID_LIST, VM_ZAPPED_OBSOLETE } from './mmu-words.ts';
import { flushRemoteTlbs, reloadRemoteMmus } from '../vcpu/requests.ts';
import { pteListDescsFree, pteListFirst, pteListRemove } from './rmap-list.ts';
import { hashRemove } from './shadow-page-hash.ts';
import {
  activeListAdd,
  activeListRemove,
  givePage,
  isObsolete,
  NO_PAGE,
  pageGfnWord,
  pageHeader,
  pageHpa,
  pageOfHpa,
} from './shadow-page-pool.ts';
import { ROLE_DIRECT, ROLE_INVALID, roleLevel } from './shadow-page-role.ts';
import { traceInvalidateZapAllPages, traceMmuPage } from '../trace/trace-events.ts';
import { isUnsync, unlinkUnsyncPage, unsyncChildren } from '../shadow/unsync.ts';
import { clearPathParents, nextUnsyncPage, unsyncWalk } from '../shadow/unsync-walk.ts';

/** KVM_MIN_FREE_MMU_PAGES and KVM_REFILL_PAGES. */
export const KVM_MIN_FREE_MMU_PAGES = 5;
export const KVM_REFILL_PAGES = 25;
const BATCH_ZAP_PAGES = 10;

/** A list of zapped pages: byte offset of its head in the vm region. */
export const INVALID_LIST = VM_INVALID_LIST;
const ZAPPED_OBSOLETE_PAGES = VM_ZAPPED_OBSOLETE;

/** drop_parent_pte: a link to the page is cleared and forgotten. */
export function dropParentPte(mmu: Mmu, page: number, parentPte: number): void {
  pteListRemove(mmu, pageHeader(mmu, page) + (SP_PARENT_PTES >> 2), parentPte);
  mmuSpteClear(mmu, parentPte);
}

/** mmu_page_zap_pte: empties one entry of a page of that level. True when it was present, so that a TLB may know it. */
export function mmuPageZapPte(mmu: Mmu, sptep: number, level: number): boolean {
  const lo = mmu.i32[sptep >> 2];
  const hi = mmu.i32[(sptep >> 2) + 1];
  if (!isShadowPresent(mmu, lo, hi)) {
    if (isMmio(mmu, lo, hi)) mmuSpteClear(mmu, sptep);
    return false;
  }
  if (isLastSpte(lo, level)) {
    dropSpte(mmu, sptep);
    if (level > 1) mmu.f64[mmu.cLargepages] -= 1;
  } else {
    dropParentPte(mmu, pageOfHpa(mmu, lo & ~0xfff), sptep);
  }
  return true;
}

/** kvm_mmu_page_unlink_children. */
function unlinkChildren(mmu: Mmu, page: number, level: number): void {
  const { i32 } = mmu;
  const table = pageHpa(mmu, page);
  for (let sptep = table; sptep < table + 4096; sptep += 8) {
    if ((i32[sptep >> 2] | i32[(sptep >> 2) + 1]) !== 0) mmuPageZapPte(mmu, sptep, level);
  }
}

/** mmu_zap_unsync_children: they would be found by nobody once the way to them is cut. */
function zapUnsyncChildren(mmu: Mmu, page: number, level: number, list: number): number {
  if (level === PT_PAGE_TABLE_LEVEL || unsyncChildren(mmu, page) === 0) return 0;
  let zapped = 0;
  while (unsyncWalk(mmu, page)) {
    for (let i = nextUnsyncPage(mmu, -1); i >= 0; i = nextUnsyncPage(mmu, i)) {
      prepareZapPage(mmu, mmu.unsyncPages.page[i], list);
      clearPathParents(mmu);
      zapped++;
    }
  }
  return zapped;
}

/**
 * kvm_mmu_prepare_zap_page: empties a page and cuts it off. A page that is somebody's root stays (marked invalid, at the
 * head of the active list) until that vCPU lets go of it.
 * @returns pages moved to the list
 */
export function prepareZapPage(mmu: Mmu, page: number, list: number): number {
  const { i32 } = mmu;
  const header = pageHeader(mmu, page);
  traceMmuPage(mmu.arena, 0, TP_MMU_PREPARE_ZAP_PAGE, header << 2);
  mmu.f64[mmu.cShadowZapped] += 1;
  const { watch } = mmu.hooks;
  if (watch !== undefined && (watch.armed & WATCH_ZAPS) !== 0) watch.onZap(page);
  const role = i32[header + (SP_ROLE >> 2)];
  let zapped = zapUnsyncChildren(mmu, page, roleLevel(role), list);
  unlinkChildren(mmu, page, roleLevel(role));
  const parents = header + (SP_PARENT_PTES >> 2);
  while (i32[parents] !== 0) dropParentPte(mmu, page, pteListFirst(mmu, parents));

  const invalid = (role & ROLE_INVALID) !== 0;
  const obsolete = isObsolete(mmu, page);
  if (!invalid && (role & ROLE_DIRECT) === 0) unaccountShadowed(mmu, mmu.f64[pageGfnWord(mmu, page)]);
  if (isUnsync(mmu, page)) unlinkUnsyncPage(mmu, 0, page);
  i32[header + (SP_ROLE >> 2)] = role | ROLE_INVALID;
  activeListRemove(mmu, page);
  if (i32[header + (SP_ROOT_COUNT >> 2)] === 0) {
    const head = (mmu.vm + list) >> 2;
    i32[header + (SP_LINK_NEXT >> 2)] = i32[head] - 1;
    i32[head] = page + 1;
    i32[mmu.usedPages] -= 1;
    zapped++;
    return zapped;
  }
  activeListAdd(mmu, page);
  if (!invalid && !obsolete) reloadRemoteMmus(mmu);
  return zapped;
}

/**
 * kvm_mmu_commit_zap_page: after the flush nobody can be looking at the pages any more.
 * @returns pages freed
 */
export function commitZapPage(mmu: Mmu, list: number): number {
  const { i32 } = mmu;
  const head = (mmu.vm + list) >> 2;
  if (i32[head] === 0) return 0;
  flushRemoteTlbs(mmu);
  let freed = 0;
  for (let page = i32[head] - 1; page !== NO_PAGE;) {
    const header = pageHeader(mmu, page);
    const next = i32[header + (SP_LINK_NEXT >> 2)];
    if (i32[header + (SP_ROOT_COUNT >> 2)] !== 0) throw new UmbraBug('a root in use would be freed');
    hashRemove(mmu, page);
    givePage(mmu, page);
    freed++;
    page = next;
  }
  i32[head] = 0;
  return freed;
}

/**
 * prepare_zap_oldest_mmu_page: false when there is none. v6.8 has kvm_mmu_zap_oldest_mmu_pages for all that want the oldest
 * pages gone, the quota that is lowered and the shrinker too, and counts there what went, with the unsync pages below.
 */
export function prepareZapOldest(mmu: Mmu): boolean {
  const page = mmu.i32[(mmu.vm + VM_ACTIVE_TAIL) >> 2];
  if (page === NO_PAGE) return false;
  const zapped = prepareZapPage(mmu, page, INVALID_LIST);
  if (mmu.era === ERA_V6_8) mmu.f64[mmu.cRecycled] += zapped;
  return true;
}

/** kvm_mmu_available_pages. */
export const availablePages = (mmu: Mmu): number => Math.max(0, mmu.i32[mmu.maxPages] - mmu.i32[mmu.usedPages]);

/** Descriptors that a fault must find, and how many the shrinker makes free. */
const MIN_PTE_LIST_DESCS = 64;
const REFILL_PTE_LIST_DESCS = 2048;

/**
 * mmu_topup_memory_caches, as far as memory can run short here: of pte_list descriptors, whose number is fixed. Then the
 * oldest pages go, as the kernel's shrinker has it under memory pressure (mmu_shrink). The caller holds mmu_lock.
 */
export function topupMemoryCaches(mmu: Mmu): void {
  if (pteListDescsFree(mmu) >= MIN_PTE_LIST_DESCS) return;
  for (let left = mmu.i32[mmu.usedPages]; left > 0 && pteListDescsFree(mmu) < REFILL_PTE_LIST_DESCS; left--) {
    if (!prepareZapOldest(mmu)) break;
  }
  commitZapPage(mmu, INVALID_LIST);
}

/** make_mmu_pages_available: recycles the oldest pages when fewer than five are left. */
export function makePagesAvailable(mmu: Mmu): void {
  topupMemoryCaches(mmu);
  if (availablePages(mmu) >= KVM_MIN_FREE_MMU_PAGES) return;
  while (availablePages(mmu) < KVM_REFILL_PAGES) {
    if (!prepareZapOldest(mmu)) break;
    if (mmu.era !== ERA_V6_8) mmu.f64[mmu.cRecycled] += 1;
  }
  commitZapPage(mmu, INVALID_LIST);
}

/** kvm_mmu_change_mmu_pages: a quota that shrinks zaps the oldest pages until they fit. */
export function changeMmuPages(mmu: Mmu, goal: number): void {
  const { i32 } = mmu;
  let limit = goal;
  mmuLock(mmu);
  if (i32[mmu.usedPages] > goal) {
    // A root in use is moved to the head and does not count less: one pass over what there is must be enough.
    for (let left = i32[mmu.usedPages]; left > 0 && i32[mmu.usedPages] > goal; left--) {
      if (!prepareZapOldest(mmu)) break;
    }
    commitZapPage(mmu, INVALID_LIST);
    limit = i32[mmu.usedPages];
  }
  i32[mmu.maxPages] = limit;
  mmuUnlock(mmu);
}

/** kvm_zap_obsolete_pages: from the oldest on, until one is met that is not obsolete. */
function zapObsoletePages(mmu: Mmu): void {
  const { i32 } = mmu;
  let batch = 0;
  let page = i32[(mmu.vm + VM_ACTIVE_TAIL) >> 2];
  while (page !== NO_PAGE && isObsolete(mmu, page)) {
    const header = pageHeader(mmu, page);
    if ((i32[header + (SP_ROLE >> 2)] & ROLE_INVALID) !== 0) {
      page = i32[header + (SP_LINK_PREV >> 2)];
      continue;
    }
    if (batch >= BATCH_ZAP_PAGES && mmuLockBreak(mmu)) {
      batch = 0;
      page = i32[(mmu.vm + VM_ACTIVE_TAIL) >> 2];
      continue;
    }
    const newer = i32[header + (SP_LINK_PREV >> 2)];
    const zapped = prepareZapPage(mmu, page, ZAPPED_OBSOLETE_PAGES);
    batch += zapped;
    page = zapped === 0 ? newer : i32[(mmu.vm + VM_ACTIVE_TAIL) >> 2];
  }
  commitZapPage(mmu, ZAPPED_OBSOLETE_PAGES);
}

/** kvm_mmu_invalidate_zap_all_pages (kvm_mmu_zap_all_fast, which toggles a generation of one bit): every page turns obsolete at once, vCPUs leave their roots, then the pages go. */
export function invalidateZapAllPages(mmu: Mmu): void {
  const { arena, i32 } = mmu;
  mmuLock(mmu);
  traceInvalidateZapAllPages(arena, 0, i32[mmu.validGen], i32[mmu.usedPages]);
  i32[mmu.validGen] = mmu.era === ERA_V6_8 ? i32[mmu.validGen] ^ 1 : i32[mmu.validGen] + 1;
  reloadRemoteMmus(mmu);
  zapObsoletePages(mmu);
  mmuUnlock(mmu);
}

/** Zaps what `mmioOnly` asks for, starting over after every page that went, as both walks of v3.10 do. */
function walkAndZap(mmu: Mmu, mmioOnly: boolean): void {
  const { i32 } = mmu;
  const head = (mmu.vm + VM_ACTIVE_HEAD) >> 2;
  mmuLock(mmu);
  for (let page = i32[head]; page !== NO_PAGE;) {
    const header = pageHeader(mmu, page);
    const older = i32[header + (SP_LINK_NEXT >> 2)];
    if (mmioOnly && i32[header + (SP_MMIO_CACHED >> 2)] === 0) page = older;
    else page = prepareZapPage(mmu, page, INVALID_LIST) === 0 ? older : i32[head];
  }
  commitZapPage(mmu, INVALID_LIST);
  mmuUnlock(mmu);
}

/** kvm_mmu_zap_mmio_sptes of v3.10 and the patch: zaps every page that ever held an MMIO spte. */
export const zapMmioSptes = (mmu: Mmu): void => walkAndZap(mmu, true);

/** kvm_mmu_zap_all of v3.10. */
export const zapAllPages = (mmu: Mmu): void => walkAndZap(mmu, false);
