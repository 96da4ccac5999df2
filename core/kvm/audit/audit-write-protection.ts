/** Guest page tables that are shadowed must not change unseen (invariant 3; audit_write_protection of mmu_audit.c). */
import { framesOf, type AuditPage, type AuditSpte, type AuditView } from './audit-view.ts';
import { PT_WRITABLE_MASK } from '../mmu/mmu.ts';
import { isLocklesslyModifiable } from '../mmu/mmu-spte.ts';

export function auditWriteProtection(view: AuditView): void {
  const shadowed = new Map<number, AuditPage>();
  for (const page of view.pages) if (!page.direct && !page.unsync && !page.invalid) shadowed.set(page.gfn, page);
  if (shadowed.size === 0) return;
  for (const leaf of view.leaves) {
    const writable = (leaf.lo & PT_WRITABLE_MASK) !== 0;
    // fast_page_fault would give W back to an entry with both writeable bits, so taking W alone protects nothing.
    if (!writable && !isLocklesslyModifiable(view.mmu, leaf.lo, leaf.hi)) continue;
    const table = shadowedIn(leaf, shadowed);
    if (table === undefined) continue;
    const what = writable ? 'writable' : 'writable without a lock';
    const text = `the leaf for gfn 0x${leaf.gfn.toString(16)} is ${what}, and page ${table.index} shadows gfn 0x${table.gfn.toString(16)}`;
    view.reportSpte('write-protection', leaf, text);
  }
}

function shadowedIn(leaf: AuditSpte, shadowed: ReadonlyMap<number, AuditPage>): AuditPage | undefined {
  if (leaf.page.level === 1) return shadowed.get(leaf.gfn);
  const end = leaf.gfn + framesOf(leaf.page.level);
  for (const [gfn, page] of shadowed) if (gfn >= leaf.gfn && gfn < end) return page;
  return undefined;
}
