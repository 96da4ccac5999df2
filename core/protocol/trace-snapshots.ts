/** The tracepoints' records as ftrace text. */
import type { Moment } from './machine-snapshots.ts';

export interface TraceLine {
  readonly seq: number;
  readonly insns: number;
  readonly vcpu: number;
  readonly event: string;
  readonly text: string;
}

export interface TraceSnapshot {
  readonly moment: Moment;
  readonly total: number;
  readonly missed: number;
  readonly lines: readonly TraceLine[];
}

/** A piece of the trace as text. */
export interface TraceExport {
  /** Running number to go on from. */
  readonly next: number;
  /** Records that were overwritten before they could be exported. */
  readonly missed: number;
  readonly text: string;
}
