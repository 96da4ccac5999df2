/** Numbers beside the axes of small plots. */
import { formatCount } from '@core/format/quantity.ts';

const UNITS = [
  { from: 1e9, of: 1e9, sign: 'G' },
  { from: 1e6, of: 1e6, sign: 'M' },
  { from: 1e4, of: 1e3, sign: 'k' },
] as const;
const MOST_DIGITS = 4;

const isWhole = (value: number): boolean => Math.abs(value - Math.round(value)) < 1e-6;

/** @param step from tick to tick: as many digits as it takes to say each of them exactly, and no more */
export function tickText(value: number, step: number): string {
  const unit = UNITS.find(({ from }) => value >= from);
  if (unit === undefined) return Number.isInteger(value) ? formatCount(value) : value.toPrecision(2);
  let digits = 0;
  while (digits < MOST_DIGITS && !isWhole((step / unit.of) * 10 ** digits)) digits += 1;
  return `${(value / unit.of).toFixed(digits)}${unit.sign}`;
}
