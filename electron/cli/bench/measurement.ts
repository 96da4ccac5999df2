/** What a benchmark gives: figures, with what they are meant to reach. */

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** At least or at most so much, where something is asked for. */
  readonly target: Target | undefined;
  /** How it was measured, in a few words. */
  readonly how: string;
}

export type Target = { readonly atLeast: number } | { readonly atMost: number };

export interface Measurement {
  readonly benchmark: string;
  readonly figures: readonly Figure[];
  /** Why there are no figures. */
  readonly skipped: string | undefined;
}

export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  /** @param say tells what is being done, for people who wait */
  run(say: (line: string) => void): Promise<Measurement>;
}

export const reachesTarget = ({ value, target }: Figure): boolean | undefined => {
  if (target === undefined) return undefined;
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
};

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Seconds that a piece of work takes. */
export function secondsOf(work: () => void): number {
  const began = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - began) / 1e9;
}
