/** KVM's counters, as panels show them. */
import type { VcpuCounter, VmCounter } from '../base/counters.ts';
import type { Moment } from './machine-snapshots.ts';

export interface StatsSnapshot {
  readonly moment: Moment;
  readonly vcpu: Readonly<Record<VcpuCounter, number>>;
  readonly vm: Readonly<Record<VmCounter, number>>;
  readonly usedMmuPages: number;
  readonly maxMmuPages: number;
  /** Guest instructions per second of host time over the last while, 0 when paused. */
  readonly insnsPerSecond: number;
  readonly mmioPerSecond: number;
}
