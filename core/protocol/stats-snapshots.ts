/** KVM's counters, as panels show them. */
import type { VcpuCounts, VmCounts } from '../base/counters.ts';
import type { Moment } from './machine-snapshots.ts';

export interface StatsSnapshot {
  readonly moment: Moment;
  /** Names and order are those of the era's kernel. */
  readonly vcpu: VcpuCounts;
  readonly vm: VmCounts;
  readonly usedMmuPages: number;
  readonly maxMmuPages: number;
  /** Guest instructions per second of host time over the last while, 0 when paused. */
  readonly insnsPerSecond: number;
  readonly mmioPerSecond: number;
}
