/** Where in a log that the engine keeps a moment is: found by halving, since its records are in the order in which they came. */
import type { LogPiece } from './log-tail.ts';

interface Timed {
  readonly seq: number;
  readonly insns: number;
}

type Ask<T> = (since: number, limit: number) => Promise<LogPiece<T> | undefined>;

/**
 * @param span records wanted, of which half are older
 * @returns the records around the first that is not before the moment, and which that is; undefined when there are none.
 * Of a moment behind the last record it is the last, of one before the ring's oldest the oldest.
 */
export async function logAround<T extends Timed>(
  ask: Ask<T>,
  insns: number,
  span: number,
): Promise<{ readonly records: readonly T[]; readonly seq: number } | undefined> {
  const oldest = await ask(0, 1);
  const first = oldest?.records.at(0);
  if (oldest === undefined || first === undefined) return undefined;
  let low = first.seq;
  let high = oldest.total - 1;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const record = (await ask(middle, 1))?.records.at(0);
    if (record === undefined) return undefined;
    if (record.insns < insns) low = record.seq + 1;
    else high = middle;
  }
  const piece = await ask(Math.max(first.seq, Math.min(low, oldest.total - 1) - Math.floor(span / 2)), span);
  const found = piece?.records.find((record) => record.insns >= insns) ?? piece?.records.at(-1);
  return piece && found && { records: piece.records, seq: found.seq };
}
