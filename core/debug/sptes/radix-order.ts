/** Sorting a million rows by a number without comparing: least significant digit first, stable, 16 bits at a time. */

const DIGIT_BITS = 16;
const BUCKETS = 1 << DIGIT_BITS;

/** A 64-bit unsigned key of row i. */
export interface RowKeys {
  readonly low: Uint32Array;
  readonly high: Uint32Array;
}

/** @returns the rows' numbers in ascending order of their keys; rows of equal keys stay in order */
export function radixOrder(rows: Uint32Array, keys: RowKeys): Uint32Array {
  // Tables lie in the order of what they map more often than not.
  if (isAscending(rows, keys)) return rows;
  let from: Uint32Array = rows;
  let to: Uint32Array = new Uint32Array(rows.length);
  const counts = new Uint32Array(BUCKETS);
  for (const words of [keys.low, keys.high]) {
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      if (sameDigit(from, words, shift)) continue;
      counts.fill(0);
      for (let i = 0; i < from.length; i++) counts[(words[from[i]] >>> shift) & (BUCKETS - 1)] += 1;
      for (let bucket = 0, next = 0; bucket < BUCKETS; bucket++) {
        const count = counts[bucket];
        counts[bucket] = next;
        next += count;
      }
      for (let i = 0; i < from.length; i++) {
        const row = from[i];
        to[counts[(words[row] >>> shift) & (BUCKETS - 1)]++] = row;
      }
      [from, to] = [to, from === rows ? new Uint32Array(rows.length) : from];
    }
  }
  return from;
}

/** A digit that all rows share orders nothing. */
function sameDigit(rows: Uint32Array, words: Uint32Array, shift: number): boolean {
  if (rows.length === 0) return true;
  const first = (words[rows[0]] >>> shift) & (BUCKETS - 1);
  for (let i = 1; i < rows.length; i++) if (((words[rows[i]] >>> shift) & (BUCKETS - 1)) !== first) return false;
  return true;
}

function isAscending(rows: Uint32Array, { low, high }: RowKeys): boolean {
  for (let i = 1; i < rows.length; i++) {
    const before = rows[i - 1];
    const row = rows[i];
    if (high[before] > high[row] || (high[before] === high[row] && low[before] > low[row])) return false;
  }
  return true;
}
