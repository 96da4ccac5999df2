/** Which sptes of an index match a filter, and in what order: in steps, for there may be a million. */
import type { ParsedParams } from '../../protocol/requests.ts';
import { radixOrder, type RowKeys } from './radix-order.ts';
import { ENTRIES_PER_PAGE } from './shadow-page.ts';
import { type SpteIndex } from './spte-index.ts';
import { KIND_LARGE, KIND_LEAF, KIND_MMIO, SPTE_KINDS } from './spte-kind.ts';
import { inParts, type WorkSteps } from './work-steps.ts';

export type SpteFilter = ParsedParams<'sptes.rows'>['filter'];

export interface OrderedRows {
  /** Row numbers of the index. */
  readonly rows: Uint32Array;
  /** Lowest and highest gfn of them. */
  readonly gfns: { readonly first: number; readonly last: number } | undefined;
}

/** The same text for the same filter. */
export const filterKey = (filter: SpteFilter): string =>
  JSON.stringify(filter, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));

/** PT_WRITABLE_MASK, and bit 1 of an EPT entry. */
const WRITABLE = 1 << 1;
const TWO_32 = 0x1_0000_0000;

export function* orderRows(index: SpteIndex, filter: SpteFilter): WorkSteps<OrderedRows> {
  const matching = yield* selectRows(index, filter);
  const gfns = yield* extentOf(index, matching);
  // The index runs page by page, entry by entry: that is the order of addresses already.
  const sorted = filter.sort === 'sptep' ? matching : yield* radixOrder(matching, yield* keysOf(index, filter.sort));
  return { rows: filter.descending ? sorted.toReversed() : sorted, gfns };
}

function* extentOf({ gfn }: SpteIndex, rows: Uint32Array): WorkSteps<OrderedRows['gfns']> {
  if (rows.length === 0) return undefined;
  let first = Infinity;
  let last = 0;
  yield* inParts(rows.length, (from, to) => {
    for (let i = from; i < to; i++) {
      const at = gfn[rows[i]];
      if (at < first) first = at;
      if (at > last) last = at;
    }
  });
  return { first, last };
}

function* selectRows(index: SpteIndex, filter: SpteFilter): WorkSteps<Uint32Array> {
  const kinds = kindBits(filter.kinds);
  const first = filter.gfnStart ?? 0;
  const end = filter.gfnStart === undefined ? Infinity : first + (filter.gfnLength ?? 1);
  const genFirst = filter.genFirst ?? (filter.genLast === undefined ? -1 : 0);
  const genLast = filter.genLast ?? Infinity;
  const mask = filter.mask ?? 0n;
  const bits = (filter.bits ?? mask) & mask;
  const [maskLow, maskHigh] = [int32(mask), int32(mask >> 32n)];
  const [bitsLow, bitsHigh] = [int32(bits), int32(bits >> 32n)];
  const { generation } = index.format;
  const rows = new Uint32Array(index.count);
  let count = 0;
  yield* inParts(index.count, (from, to) => {
    for (let row = from; row < to; row++) {
      const kind = index.kind[row];
      if ((kinds & (1 << kind)) === 0) continue;
      if (filter.freshness !== 'any') {
        if (kind !== KIND_MMIO) continue;
        const stale = index.gen[row] >= 0 && index.gen[row] !== generation;
        if (stale !== (filter.freshness === 'stale')) continue;
      }
      if (filter.state === 'write-protected') {
        if ((kind !== KIND_LEAF && kind !== KIND_LARGE) || (index.low[row] & WRITABLE) !== 0) continue;
      } else if (filter.state === 'unsync' && index.unsync[Math.floor(index.place[row] / ENTRIES_PER_PAGE)] === 0)
        continue;
      const gen = index.gen[row];
      if (gen < genFirst || gen > genLast) continue;
      if ((index.low[row] & maskLow) !== bitsLow || (index.high[row] & maskHigh) !== bitsHigh) continue;
      const gfn = index.gfn[row];
      // A large page or a table counts where it begins or where it covers the first frame asked for.
      if (gfn >= end || gfn + 2 ** (9 * (index.level[row] - 1)) <= first) continue;
      if (filter.level !== undefined && index.level[row] !== filter.level) continue;
      if (
        filter.role !== undefined &&
        index.roles[Math.floor(index.place[row] / ENTRIES_PER_PAGE)] >>> 0 !== filter.role
      )
        continue;
      if (filter.page !== undefined && Math.floor(index.place[row] / ENTRIES_PER_PAGE) !== filter.page) continue;
      rows[count++] = row;
    }
  });
  return rows.slice(0, count);
}

const int32 = (half: bigint): number => Number(BigInt.asIntN(32, half));

const kindBits = (kinds: SpteFilter['kinds']): number =>
  kinds.length === 0 ? -1 : kinds.reduce((bits, kind) => bits | (1 << SPTE_KINDS.indexOf(kind)), 0);

function* keysOf(index: SpteIndex, by: Exclude<SpteFilter['sort'], 'sptep'>): WorkSteps<RowKeys> {
  if (by === 'value') {
    return { low: new Uint32Array(index.low.buffer), high: new Uint32Array(index.high.buffer) };
  }
  const low = new Uint32Array(index.count);
  const high = new Uint32Array(index.count);
  yield* inParts(index.count, (from, to) => {
    for (let row = from; row < to; row++) {
      // A generation of −1 comes before 0.
      const key = by === 'gfn' ? index.gfn[row] : by === 'gen' ? index.gen[row] + 1 : index.level[row];
      low[row] = key >>> 0;
      high[row] = key / TWO_32;
    }
  });
  return { low, high };
}
