/** Sorting a million rows by a number without comparing: least significant digit first, stable, 16 bits at a time, in steps. */
import { inParts, type WorkSteps } from './work-steps.ts';

const DIGIT_BITS = 16;
const BUCKETS = 1 << DIGIT_BITS;

/** A 64-bit unsigned key of row i. */
export interface RowKeys {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

/** @returns the rows' numbers in ascending order of their keys; rows of equal keys stay in order */
export function* radixOrder(rows: Uint32Array, keys: RowKeys): WorkSteps<Uint32Array> {
  // Tables lie in the order of what they map more often than not.
  if (yield* isAscending(rows, keys)) return rows;
  let from: Uint32Array = rows;
  let to: Uint32Array = new Uint32Array(rows.length);
  const counts = new Uint32Array(BUCKETS);
  for (const words of [keys.low, keys.high]) {
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      if (yield* sameDigit(from, words, shift)) continue;
      counts.fill(0);
      const source = from;
      const target = to;
      yield* inParts(source.length, (first, end) => {
        for (let i = first; i < end; i++) counts[(words[source[i]] >>> shift) & (BUCKETS - 1)] += 1;
      });
      for (let bucket = 0, next = 0; bucket < BUCKETS; bucket++) {
        const count = counts[bucket];
        counts[bucket] = next;
        next += count;
      }
      yield* inParts(source.length, (first, end) => {
        for (let i = first; i < end; i++) {
          const row = source[i];
          target[counts[(words[row] >>> shift) & (BUCKETS - 1)]++] = row;
        }
      });
      [from, to] = [to, from === rows ? new Uint32Array(rows.length) : from];
    }
  }
  return from;
}

/** A digit that all rows share orders nothing. */
function* sameDigit(rows: Uint32Array, words: Uint32Array, shift: number): WorkSteps<boolean> {
  if (rows.length === 0) return true;
  const digit = (words[rows[0]] >>> shift) & (BUCKETS - 1);
  let isSame = true;
  yield* inParts(rows.length, (from, to) => {
    for (let i = from; isSame && i < to; i++) isSame = ((words[rows[i]] >>> shift) & (BUCKETS - 1)) === digit;
  });
  return isSame;
}

function* isAscending(rows: Uint32Array, { low, high }: RowKeys): WorkSteps<boolean> {
  let isSorted = true;
  yield* inParts(rows.length, (from, to) => {
    for (let i = Math.max(1, from); isSorted && i < to; i++) {
      const before = rows[i - 1];
      const row = rows[i];
      isSorted = high[before] < high[row] || (high[before] === high[row] && low[before] <= low[row]);
    }
  });
  return isSorted;
}
