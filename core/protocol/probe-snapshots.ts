/** What the contract carries of the probes and of the auditor, each with its moment. */
import type { AddressWalk } from '../base/address-walk.ts';
import type { AuditReport } from '../base/audit-report.ts';
import type { ReverseMap } from '../base/reverse-map.ts';
import type { Moment } from './machine-snapshots.ts';

export type * from '../base/address-walk.ts';
export type * from '../base/audit-report.ts';
export type * from '../base/entry-field.ts';
export type * from '../base/reverse-map.ts';

export interface WalkSnapshot {
  readonly moment: Moment;
  readonly walk: AddressWalk;
}

export interface ReverseMapSnapshot {
  readonly moment: Moment;
  readonly rmap: ReverseMap;
}

export interface AuditSnapshot {
  readonly moment: Moment;
  readonly report: AuditReport;
}
