/** The measurement of what a memslot change costs: what of, how far it is, and what has come of it. */
import type { MmuMode } from '../base/machine-modes.ts';

export type CostEra = 'patch' | 'v3.10';

/** One point of the chart: the median of so many samples, and the ends of their range. */
export interface CostPoint {
  readonly era: CostEra;
  /** Live MMIO sptes. */
  readonly sptes: number;
  readonly microseconds: number;
  readonly fastest: number;
  readonly slowest: number;
  readonly samples: number;
}

export interface CostProgress {
  readonly done: number;
  readonly of: number;
  /** What is being measured. */
  readonly text: string;
  readonly points: readonly CostPoint[];
}

/** What was measured, when and where: without it a figure says nothing to whoever was not there. */
export interface CostSetting {
  readonly mmu: MmuMode;
  /** ISO 8601, in UTC. */
  readonly startedAt: string;
  /** `AMD EPYC, 2 cores` */
  readonly processor: string;
  /** `linux 6.8.0 x64` */
  readonly system: string;
  /** `Umbra 0.1.0, Electron 45.4.1, V8 13.0` */
  readonly runtime: string;
}

export type CostState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly setting: CostSetting; readonly progress: CostProgress }
  | { readonly kind: 'done'; readonly setting: CostSetting; readonly points: readonly CostPoint[] }
  /** What was measured until then stays. */
  | { readonly kind: 'cancelled'; readonly setting: CostSetting; readonly points: readonly CostPoint[] }
  | {
      readonly kind: 'failed';
      readonly setting: CostSetting;
      readonly message: string;
      readonly points: readonly CostPoint[];
    };
