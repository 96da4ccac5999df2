/**
 * The auditor: all rules over a machine that stands still (mmu_audit of the kernel, and the invariants that a model can hold
 * itself to). Pure: it reads the arena and changes nothing.
 */
import type { AuditReport } from '../../base/audit-report.ts';
import { explainSpteHere } from '../probe/probe-spte.ts';
import { lastEvents } from './audit-events.ts';
import { auditGuestEntries } from './audit-guest-entries.ts';
import { auditLpageInfo } from './audit-lpage-info.ts';
import { auditMappings } from './audit-mappings.ts';
import { auditMmio } from './audit-mmio.ts';
import { auditActiveList, auditFreeList, auditHash, auditRoots } from './audit-pool.ts';
import { auditPteLists } from './audit-pte-lists.ts';
import { auditTlbs } from './audit-tlb.ts';
import { auditAfterSync, auditUnsync } from './audit-unsync.ts';
import { AuditView } from './audit-view.ts';
import { auditWriteProtection } from './audit-write-protection.ts';
import type { Mmu } from '../mmu/mmu.ts';

export { AUDIT_RULES, type AuditReport, type AuditRule, type AuditViolation } from '../../base/audit-report.ts';

export interface AuditOptions {
  /** The vCPU whose roots have just been synced (mmu_sync_roots): nothing below them may be unsync. */
  readonly afterSync?: number | undefined;
  /** false: the free pte_list descriptors are not counted, which is half the work. */
  readonly descriptors?: boolean;
  /** Violations that are told in full; more are cut off. */
  readonly limit?: number;
  /** Events told with each. */
  readonly events?: number;
}

const RULES: readonly ((view: AuditView) => void)[] = [
  auditFreeList,
  auditActiveList,
  auditHash,
  auditRoots,
  auditMappings,
  auditGuestEntries,
  auditWriteProtection,
  auditUnsync,
  auditLpageInfo,
  auditMmio,
  auditTlbs,
];

export function auditMmu(mmu: Mmu, options: AuditOptions = {}): AuditReport {
  const view = new AuditView(mmu);
  for (const rule of RULES) rule(view);
  auditPteLists(view, options.descriptors ?? true);
  if (options.afterSync !== undefined) auditAfterSync(view, options.afterSync);
  const findings = view.findings.slice(0, options.limit ?? 100);
  return {
    violations: findings.map((finding) => ({
      ...finding,
      decoded: finding.value === undefined ? undefined : explainSpteHere(mmu, finding.value),
      events: lastEvents(mmu.arena, finding, options.events ?? 8),
    })),
    omitted: view.findings.length - findings.length,
    pages: view.pages.length,
    leaves: view.leaves.length,
    links: view.links.length,
    mmioSptes: view.mmioSptes.length,
  };
}
