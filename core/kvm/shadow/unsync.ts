/**
 * Unsync pages (arch/x86/kvm/mmu.c of v3.11): a shadowed page table of the last level may be written by the guest without an
 * exit, until something makes the processor, and so KVM, look at it afresh. Upper pages know which entries lead to one.
 */
import {
  PTE_LIST_EXT,
  SP_PARENT_PTES,
  SP_UNSYNC,
  SP_UNSYNC_CHILD_BITMAP,
  SP_UNSYNC_CHILDREN,
  VM_INDIRECT_SHADOW_PAGES,
} from '../../arena/mmu-layout.ts';
import { TP_MMU_SYNC_PAGE, TP_MMU_UNSYNC_PAGE } from '../../base/tracepoints.ts';
import { PT_PAGE_TABLE_LEVEL, type Mmu } from '../mmu/mmu.ts';
import { firstIndirectPage, nextIndirectPage } from '../mmu/shadow-page-hash.ts';
import { NO_PAGE, pageHeader, pageOfHpa, pageRole } from '../mmu/shadow-page-pool.ts';
import { roleLevel } from '../mmu/shadow-page-role.ts';
import { traceMmuPage } from '../trace/trace-events.ts';

export const isUnsync = (mmu: Mmu, page: number): boolean => mmu.i32[pageHeader(mmu, page) + (SP_UNSYNC >> 2)] !== 0;
export const unsyncChildren = (mmu: Mmu, page: number): number =>
  mmu.i32[pageHeader(mmu, page) + (SP_UNSYNC_CHILDREN >> 2)];

/** mark_unsync: the entry at sptep leads to an unsync page. Goes on upwards unless that was known. */
function markUnsync(mmu: Mmu, sptep: number): void {
  const { i32 } = mmu;
  const page = pageOfHpa(mmu, sptep);
  const header = pageHeader(mmu, page);
  const index = (sptep & 0xfff) >> 3;
  const word = header + (SP_UNSYNC_CHILD_BITMAP >> 2) + (index >> 5);
  const bit = 1 << (index & 31);
  if ((i32[word] & bit) !== 0) return;
  i32[word] |= bit;
  i32[header + (SP_UNSYNC_CHILDREN >> 2)] += 1;
  if (i32[header + (SP_UNSYNC_CHILDREN >> 2)] === 1) markParentsUnsync(mmu, page);
}

/** kvm_mmu_mark_parents_unsync. */
export function markParentsUnsync(mmu: Mmu, page: number): void {
  const { i32 } = mmu;
  const head = i32[pageHeader(mmu, page) + (SP_PARENT_PTES >> 2)];
  if (head === 0) return;
  if ((head & 1) === 0) {
    markUnsync(mmu, head);
    return;
  }
  for (let desc = head & ~1; desc !== 0; desc = i32[(desc >> 2) + PTE_LIST_EXT]) {
    for (let at = 0; at < PTE_LIST_EXT && i32[(desc >> 2) + at] !== 0; at++) markUnsync(mmu, i32[(desc >> 2) + at]);
  }
}

/** __clear_unsync_child: an entry leads to no unsync page any more. */
export function clearUnsyncChild(mmu: Mmu, page: number, index: number): void {
  const header = pageHeader(mmu, page);
  mmu.i32[header + (SP_UNSYNC_CHILD_BITMAP >> 2) + (index >> 5)] &= ~(1 << (index & 31));
  mmu.i32[header + (SP_UNSYNC_CHILDREN >> 2)] -= 1;
}

/** __kvm_unsync_page. */
function unsyncPage(mmu: Mmu, vcpuId: number, page: number): void {
  const header = pageHeader(mmu, page);
  traceMmuPage(mmu.arena, vcpuId, TP_MMU_UNSYNC_PAGE, header << 2);
  mmu.f64[mmu.cUnsync] += 1;
  mmu.i32[header + (SP_UNSYNC >> 2)] = 1;
  markParentsUnsync(mmu, page);
}

/** kvm_unlink_unsync_page: the parents' bits are cleared by whoever walked over them. */
export function unlinkUnsyncPage(mmu: Mmu, vcpuId: number, page: number): void {
  const header = pageHeader(mmu, page);
  traceMmuPage(mmu.arena, vcpuId, TP_MMU_SYNC_PAGE, header << 2);
  mmu.i32[header + (SP_UNSYNC >> 2)] = 0;
  mmu.f64[mmu.cUnsync] -= 1;
}

/**
 * mmu_need_write_protect: whether a frame must not be mapped writable, because it holds a guest page table that is shadowed.
 * Tables of the last level let go of their protection instead, when they may.
 */
export function mmuNeedWriteProtect(mmu: Mmu, vcpuId: number, gfn: number, canUnsync: boolean): boolean {
  if (mmu.i32[(mmu.vm + VM_INDIRECT_SHADOW_PAGES) >> 2] === 0) return false;
  let needUnsync = false;
  for (let page = firstIndirectPage(mmu, gfn); page !== NO_PAGE; page = nextIndirectPage(mmu, page, gfn)) {
    if (!canUnsync) return true;
    if (roleLevel(pageRole(mmu, page)) !== PT_PAGE_TABLE_LEVEL) return true;
    if (!isUnsync(mmu, page)) needUnsync = true;
  }
  if (!needUnsync) return false;
  for (let page = firstIndirectPage(mmu, gfn); page !== NO_PAGE; page = nextIndirectPage(mmu, page, gfn)) {
    if (!isUnsync(mmu, page)) unsyncPage(mmu, vcpuId, page);
  }
  return false;
}
