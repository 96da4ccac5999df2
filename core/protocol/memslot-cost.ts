/** The measurement of what a memslot change costs: how far it is, and what has come of it. */
export type CostEra = 'patch' | 'v3.10';

/** One point of the chart: the median of so many samples. */
export interface CostPoint {
  readonly era: CostEra;
  /** Live MMIO sptes. */
  readonly sptes: number;
  readonly microseconds: number;
  readonly samples: number;
}

export interface CostProgress {
  readonly done: number;
  readonly of: number;
  /** What is being measured. */
  readonly text: string;
  readonly points: readonly CostPoint[];
}

export type CostState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly progress: CostProgress }
  | { readonly kind: 'done'; readonly points: readonly CostPoint[] }
  /** What was measured until then stays. */
  | { readonly kind: 'cancelled'; readonly points: readonly CostPoint[] }
  | { readonly kind: 'failed'; readonly message: string; readonly points: readonly CostPoint[] };
