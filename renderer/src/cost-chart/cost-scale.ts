/** The axes of the cost chart: both logarithmic, whole decades, and in words that carry their unit. */
import { formatCount } from '@core/format/quantity.ts';

export interface LogScale {
  /** Exponents of ten of the ends. */
  readonly from: number;
  readonly to: number;
}

/** Whole decades around the values, at least one. */
export function decadesAround(values: readonly number[]): LogScale {
  const positive = values.filter((value) => value > 0);
  if (positive.length === 0) return { from: 0, to: 1 };
  const from = Math.floor(Math.log10(Math.min(...positive)) + 1e-9);
  const to = Math.ceil(Math.log10(Math.max(...positive)) - 1e-9);
  return { from, to: Math.max(from + 1, to) };
}

/** @returns 0 at the beginning of the scale, 1 at its end */
export const placeOn = ({ from, to }: LogScale, value: number): number => (Math.log10(value) - from) / (to - from);

export const ticksOf = ({ from, to }: LogScale): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_unused, i) => 10 ** (from + i));

const TIMES = [
  { at: 1e6, unit: 's' },
  { at: 1e3, unit: 'ms' },
  { at: 1, unit: 'µs' },
] as const;

/** `87 µs`, `2.8 ms`, `59 ms`: two digits, three from a hundred on. */
export function formatDuration(microseconds: number): string {
  const { at, unit } = TIMES.find((time) => microseconds >= time.at) ?? { at: 1e-3, unit: 'ns' };
  const value = microseconds / at;
  return `${value >= 10 ? value.toFixed(0) : Number(value.toFixed(1)).toString()} ${unit}`;
}

/** `1 k`, `10 k`, `1 M` */
export function formatSptes(count: number): string {
  if (count >= 1e6) return `${count / 1e6} M`;
  return count >= 1e3 ? `${count / 1e3} k` : formatCount(count);
}
