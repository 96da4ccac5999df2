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
    const next = (records.value.at(-1)?.seq ?? -1) + 1;
    if (next >= total.value) return;
    const most = probe.moment.live ? liveLimit : limit;
    const piece = await ask(Math.max(next, total.value - most), most);
    if (piece !== undefined) take(piece);
  }

  function take(piece: LogPiece<T>): void {
    const isRestarted = piece.total < total.value;
    onPiece?.(piece, isRestarted);
    const old = isRestarted ? [] : records.value;
    const newest = old.at(-1)?.seq ?? -1;
    const fresh = piece.records.filter(({ seq }) => seq > newest);
    moment.value = piece.moment;
    total.value = piece.total;
    if (isRestarted || fresh.length > 0) records.value = [...old, ...fresh].slice(-kept);
  }

  function clear(): void {
    records.value = [];
    total.value = 0;
    moment.value = undefined;
  }

  return { records, total, moment, refresh, clear };
}
