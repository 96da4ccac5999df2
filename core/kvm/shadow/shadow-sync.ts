/**
 * Bringing unsync pages up to date (FNAME(sync_page), kvm_sync_page and its relatives, mmu_sync_children and mmu_sync_roots of
 * arch/x86/kvm, v3.11). The caller holds mmu_lock.
 */
import { SP_ROLE, VM_TLBS_DIRTY } from '../../arena/mmu-layout.ts';
import { VCPU_ROOT_HPA, VCPU_ROOT_LEVELS, VCPU_ROOT_PAGE } from '../../arena/vcpu-layout.ts';
import { gpteBytes, gpteToGfn, guestRootLevel, isPae } from './guest-paging.ts';
import { mmuLock, mmuLockBreak, mmuUnlock, PT64_ROOT_LEVEL, PT_PAGE_TABLE_LEVEL, type Mmu } from '../mmu/mmu.ts';
import { setSpte } from '../mmu/mmu-set-spte.ts';
import { dropSpte, isMmio, spteGfn, spteToPfn } from '../mmu/mmu-spte.ts';
import { VCPU_PAE_ROOT, VCPU_ROOT_VALID } from '../mmu/mmu-words.ts';
import { flushRemoteTlbs, mmuFlushTlb } from '../vcpu/requests.ts';
import { rmapWriteProtectGfn } from '../mmu/rmap.ts';
import { firstIndirectPage, nextIndirectPage } from '../mmu/shadow-page-hash.ts';
import { NO_PAGE, pageGfnWord, pageHeader, pageHpa, pageOfHpa } from '../mmu/shadow-page-pool.ts';
import { ROLE_CR4_PAE } from '../mmu/shadow-page-role.ts';
import { vcpuClearMmioInfo } from '../mmio/mmio-cache.ts';
import { commitZapPage, INVALID_LIST, prepareZapPage } from '../mmu/shadow-page-zap.ts';
import { accessInPage, guestTableAt, prefetchInvalidGpte, syncMmioSpte } from './shadow-gpte.ts';
import { isUnsync, unlinkUnsyncPage, unsyncChildren } from './unsync.ts';
import { clearPathParents, nextUnsyncPage, unsyncWalk } from './unsync-walk.ts';

/** Dropped for a change that the guest has yet to flush for: KVM's own flush is put off until somebody needs one. */
function noteDirtyTlbs(mmu: Mmu): void {
  mmu.i32[(mmu.vm + VM_TLBS_DIRTY) >> 2] += 1;
}

/** FNAME(sync_page): false when nothing of it is in use any more, or the guest's table cannot be read. */
function syncEntries(mmu: Mmu, r: Int32Array, vcpuId: number, page: number): boolean {
  const { i32 } = mmu;
  const from = guestTableAt(mmu, r, page);
  if (from < 0) return false;
  const bytes = gpteBytes(r);
  const table = pageHpa(mmu, page);
  let present = 0;
  for (let i = 0; i < 512; i++) {
    const sptep = table + 8 * i;
    const spteLo = i32[sptep >> 2];
    const spteHi = i32[(sptep >> 2) + 1];
    if ((spteLo | spteHi) === 0) continue;
    const at = (from + i * bytes) >> 2;
    const lo = i32[at];
    const hi = bytes === 8 ? i32[at + 1] : 0;
    if (prefetchInvalidGpte(mmu, r, sptep, lo, hi)) {
      noteDirtyTlbs(mmu);
      continue;
    }
    const gfn = gpteToGfn(r, lo, hi, PT_PAGE_TABLE_LEVEL);
    const access = accessInPage(mmu, r, page, lo, hi);
    if (syncMmioSpte(mmu, vcpuId, sptep, gfn, access)) {
      if (isMmio(mmu, i32[sptep >> 2], i32[(sptep >> 2) + 1])) present++;
      continue;
    }
    if (spteGfn(mmu, sptep) !== gfn) {
      dropSpte(mmu, sptep);
      noteDirtyTlbs(mmu);
      continue;
    }
    present++;
    const hostWritable = ((spteLo & mmu.hostWriteableLo) | (spteHi & mmu.hostWriteableHi)) !== 0;
    setSpte(mmu, vcpuId, sptep, access, PT_PAGE_TABLE_LEVEL, gfn, spteToPfn(spteLo), true, false, hostWritable);
  }
  return present !== 0;
}

/** A page of another table format than the guest uses now cannot be synced. */
const otherFormat = (mmu: Mmu, r: Int32Array, page: number): boolean =>
  ((mmu.i32[pageHeader(mmu, page) + (SP_ROLE >> 2)] & ROLE_CR4_PAE) !== 0) !== isPae(r);

/** __kvm_sync_page: false when the page was zapped instead (it is on INVALID_LIST then). */
function syncPage(mmu: Mmu, r: Int32Array, vcpuId: number, page: number, clearUnsync: boolean): boolean {
  let good = !otherFormat(mmu, r, page);
  if (good) {
    if (clearUnsync) unlinkUnsyncPage(mmu, vcpuId, page);
    good = syncEntries(mmu, r, vcpuId, page);
  }
  if (good) mmuFlushTlb(mmu, vcpuId);
  else prepareZapPage(mmu, page, INVALID_LIST);
  return good;
}

/** kvm_sync_page_transient: the page is about to be used and stays unsync. False: it was zapped. */
export function syncPageTransient(mmu: Mmu, r: Int32Array, vcpuId: number, page: number): boolean {
  const good = syncPage(mmu, r, vcpuId, page, false);
  if (!good) commitZapPage(mmu, INVALID_LIST);
  return good;
}

/** kvm_sync_pages: all unsync pages of a guest table, which is write-protected already. */
export function syncPages(mmu: Mmu, r: Int32Array, vcpuId: number, gfn: number): void {
  let flush = false;
  for (let page = firstIndirectPage(mmu, gfn); page !== NO_PAGE; page = nextIndirectPage(mmu, page, gfn)) {
    if (!isUnsync(mmu, page)) continue;
    unlinkUnsyncPage(mmu, vcpuId, page);
    if (otherFormat(mmu, r, page) || !syncEntries(mmu, r, vcpuId, page)) prepareZapPage(mmu, page, INVALID_LIST);
    else flush = true;
  }
  commitZapPage(mmu, INVALID_LIST);
  if (flush) mmuFlushTlb(mmu, vcpuId);
}

/** mmu_sync_children: every unsync page below this one, sixteen records at a time. */
function syncChildren(mmu: Mmu, r: Int32Array, vcpuId: number, root: number): void {
  if (unsyncChildren(mmu, root) === 0) return;
  const pages = mmu.unsyncPages;
  while (unsyncWalk(mmu, root)) {
    let protectedAny = false;
    for (let i = nextUnsyncPage(mmu, -1); i >= 0; i = nextUnsyncPage(mmu, i)) {
      if (rmapWriteProtectGfn(mmu, mmu.f64[pageGfnWord(mmu, pages.page[i])])) protectedAny = true;
    }
    if (protectedAny) flushRemoteTlbs(mmu);
    for (let i = nextUnsyncPage(mmu, -1); i >= 0; i = nextUnsyncPage(mmu, i)) {
      syncPage(mmu, r, vcpuId, pages.page[i], true);
      clearPathParents(mmu);
    }
    commitZapPage(mmu, INVALID_LIST);
    mmuLockBreak(mmu);
  }
}

/** mmu_sync_roots. */
export function syncRoots(mmu: Mmu, r: Int32Array, vcpuId: number): void {
  if (r[VCPU_ROOT_VALID] === 0 || r[VCPU_ROOT_HPA] === 0 || guestRootLevel(r) === 0) return;
  vcpuClearMmioInfo(r);
  if (r[VCPU_ROOT_LEVELS] === PT64_ROOT_LEVEL) {
    syncChildren(mmu, r, vcpuId, r[VCPU_ROOT_PAGE]);
    return;
  }
  for (let i = 0; i < 4; i++) {
    const root = r[VCPU_PAE_ROOT + 2 * i];
    if (root !== 0) syncChildren(mmu, r, vcpuId, pageOfHpa(mmu, root & ~0xfff));
  }
}

/** kvm_mmu_sync_roots. */
export function mmuSyncRoots(mmu: Mmu, r: Int32Array, vcpuId: number): void {
  mmuLock(mmu);
  syncRoots(mmu, r, vcpuId);
  mmuUnlock(mmu);
}
