/** Unsync shadow pages (invariant 4; audit_spte_after_sync of mmu_audit.c). */
import { SP_UNSYNC_CHILD_BITMAP } from '../../arena/mmu-layout.ts';
import { rootPages } from './audit-pool.ts';
import type { AuditPage, AuditSpte, AuditView } from './audit-view.ts';
import { vmCounterWord } from '../trace/stats.ts';

const hasChildBit = (view: AuditView, page: AuditPage, index: number): boolean =>
  ((view.mmu.i32[page.header + (SP_UNSYNC_CHILD_BITMAP >> 2) + (index >>> 5)] >>> (index & 31)) & 1) !== 0;

function childBits(view: AuditView, page: AuditPage): number {
  const first = page.header + (SP_UNSYNC_CHILD_BITMAP >> 2);
  let count = 0;
  for (const word of view.mmu.i32.subarray(first, first + 16))
    for (let rest = word; rest !== 0; rest &= rest - 1) count++;
  return count;
}

export function auditUnsync(view: AuditView): void {
  for (const page of view.pages) {
    if (page.unsync && (page.direct || page.level !== 1)) {
      const kind = page.direct ? 'direct' : 'indirect';
      view.reportPage('unsync', page, `page ${page.index}, ${kind} at level ${page.level}, is unsync`);
    }
    const bits = childBits(view, page);
    if (bits !== page.unsyncChildren) {
      const text = `page ${page.index} has unsync_children ${page.unsyncChildren}, ${bits} bits are set`;
      view.reportPage('unsync-children', page, text);
    }
  }
  for (const link of view.links) auditAncestor(view, link);
  const counted = view.mmu.f64[vmCounterWord(view.mmu.arena, 'mmu_unsync')];
  const unsync = view.pages.filter((page) => page.unsync).length;
  if (counted !== unsync) view.report('unsync-count', `mmu_unsync is ${counted}, but ${unsync} pages are unsync`);
}

/** Bits that lead to nothing unsync any more are allowed: KVM clears them when it next walks there. */
function auditAncestor(view: AuditView, link: AuditSpte): void {
  const child = view.pageAt(link.lo & ~0xfff);
  if (child === undefined || (!child.unsync && child.unsyncChildren === 0)) return;
  if (hasChildBit(view, link.page, link.index)) return;
  const why = child.unsync ? 'is unsync' : 'has unsync children';
  view.reportSpte('unsync', link, `page ${child.index} ${why}, and entry ${link.index} of its parent does not say so`);
}

/**
 * For the moment right after mmu_sync_roots of a vCPU: nothing below its roots is unsync. As soon as the guest runs on, a fault
 * may link a page that another root left unsync (kvm_mmu_get_page syncs it, but leaves the mark).
 */
export function auditAfterSync(view: AuditView, vcpuId: number): void {
  const below = new Map<number, AuditSpte[]>();
  for (const link of view.links) below.set(link.page.index, [...(below.get(link.page.index) ?? []), link]);
  const seen = new Set<number>();
  const pending = [...rootPages(view, vcpuId)];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    const page = view.page(index);
    if (page === undefined || seen.has(index)) continue;
    seen.add(index);
    if (page.unsync) view.reportPage('unsync-after-sync', page, `page ${index} is unsync although its root was synced`);
    for (const link of below.get(index) ?? []) {
      const child = view.pageAt(link.lo & ~0xfff);
      if (child !== undefined) pending.push(child.index);
    }
  }
}
