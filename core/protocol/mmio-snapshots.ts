/** MMIO faults as the contract carries them: the log, its counts by gfn, and how they came out over time. */
import type { AccessKind } from '../base/machine-modes.ts';
import type { MmioOutcome } from '../base/mmio-outcomes.ts';
import type { Moment } from './machine-snapshots.ts';

export interface MmioFaultRecord {
  /** Running number since reset. */
  readonly seq: number;
  readonly insns: number;
  readonly vcpu: number;
  readonly rip: bigint;
  readonly gva: bigint;
  readonly gpa: bigint;
  readonly access: AccessKind;
  readonly outcome: MmioOutcome;
  readonly spte: bigint;
  readonly spteGen: number;
  readonly kvmGen: number;
  readonly size: number;
  readonly value: bigint;
  readonly claim: 'none' | 'device' | 'unsatisfied';
  readonly device: string | undefined;
}

export interface MmioLogSnapshot {
  readonly moment: Moment;
  /** Faults ever logged since reset; records older than the ring are gone and `missed` counts them. */
  readonly total: number;
  readonly missed: number;
  readonly records: readonly MmioFaultRecord[];
}

export interface MmioHeat {
  readonly moment: Moment;
  readonly overflow: number;
  readonly rows: readonly {
    readonly gfn: number;
    readonly count: number;
    readonly invalid: number;
    readonly writes: number;
  }[];
}

/** How MMIO faults came out over a stretch of instructions, in equal parts. */
export interface MmioTimeline {
  readonly moment: Moment;
  readonly from: number;
  readonly to: number;
  readonly counts: readonly { readonly outcome: MmioOutcome; readonly faults: Uint32Array }[];
}
