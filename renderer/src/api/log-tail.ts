/**
 * The newest of a log that the engine keeps in a ring. Only the tail is of use to a reader: when more has happened than is
 * shown, the log goes on at its end, and the running numbers show the gap. Every record crosses two worlds on its way here,
 * so a guest that writes a million a second is followed in short pieces.
 */
import type { Moment } from '@core/protocol/index.ts';
import { ref, shallowRef, type Ref, type ShallowRef } from 'vue';

/** What one answer brings: a piece of the log, and how much there has been of it since reset. */
export interface LogPiece<T> {
  readonly moment: Moment;
  readonly total: number;
  readonly records: readonly T[];
}

interface LogSource<T> {
  /** Undefined when the question was refused, or the answer is about a machine that is gone. */
  readonly ask: (since: number, limit: number) => Promise<LogPiece<T> | undefined>;
  /** Records fetched at once from a machine that stands still, and from one that runs. */
  readonly limit: number;
  readonly liveLimit: number;
  /** Records kept; older ones are forgotten. */
  readonly kept: number;
}

export interface LogTail<T> {
  /** Oldest first. */
  readonly records: ShallowRef<readonly T[]>;
  readonly total: Ref<number>;
  readonly moment: ShallowRef<Moment | undefined>;
  refresh(): Promise<void>;
  clear(): void;
}

/** @param onPiece hears of each piece before it is taken in, and whether the log has begun anew with it */
export function logTail<T extends { readonly seq: number }>(
  { ask, limit, liveLimit, kept }: LogSource<T>,
  onPiece?: (piece: LogPiece<T>, isRestarted: boolean) => void,
): LogTail<T> {
  const records = shallowRef<readonly T[]>([]);
  const total = ref(0);
  const moment = shallowRef<Moment>();

  async function refresh(): Promise<void> {
    const probe = await ask(Number.MAX_SAFE_INTEGER, 1);
    if (probe === undefined) return;
    take(probe);
    const { live } = probe.moment;
    const most = live ? liveLimit : limit;
    const from = Math.max(0, total.value - most);
    // Of a machine that stands still nothing is left out that went by too fast before.
    const since = live ? Math.max(from, (records.value.at(-1)?.seq ?? -1) + 1) : firstMissing(from);
    if (since >= total.value) return;
    const piece = await ask(since, most);
    if (piece !== undefined) take(piece);
  }

  function firstMissing(from: number): number {
    let wanted = from;
    for (const { seq } of records.value) {
      if (seq > wanted) break;
      if (seq === wanted) wanted += 1;
    }
    return wanted;
  }

  function take(piece: LogPiece<T>): void {
    const isRestarted = piece.total < total.value;
    onPiece?.(piece, isRestarted);
    const old = isRestarted ? [] : records.value;
    moment.value = piece.moment;
    total.value = piece.total;
    const first = piece.records.at(0)?.seq;
    const last = piece.records.at(-1)?.seq;
    if (first === undefined || last === undefined) {
      if (isRestarted) records.value = old;
    } else if (isRestarted || firstMissing(first) <= last) {
      const before = old.filter(({ seq }) => seq < first);
      records.value = [...before, ...piece.records, ...old.filter(({ seq }) => seq > last)].slice(-kept);
    }
  }

  function clear(): void {
    records.value = [];
    total.value = 0;
    moment.value = undefined;
  }

  return { records, total, moment, refresh, clear };
}
