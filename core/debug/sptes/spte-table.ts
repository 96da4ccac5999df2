/**
 * The table of sptes that people look at: filtered, ordered, a window of it. Index and order are kept for as long as the
 * caller says that they belong to the same moment, so that scrolling costs nothing.
 */
import type { Arena } from '../../arena/arena.ts';
import { u64FromHalves } from '../../base/address.ts';
import { ACC_USER_MASK, ACC_WRITE_MASK, mmioSpteAccess } from '../../kvm/spte/spte-mmio.ts';
import type { ParsedParams } from '../../protocol/requests.ts';
import type { Moment, SpteRow } from '../../protocol/snapshots.ts';
import { radixOrder, type RowKeys } from './radix-order.ts';
import { spteHeat, type SpteHeat } from './spte-heat.ts';
import { pageTable, ENTRIES_PER_PAGE } from './shadow-page.ts';
import { KIND_MMIO, SPTE_KINDS, indexSptes, type SpteFormat, type SpteIndex } from './spte-index.ts';

export type SpteFilter = ParsedParams<'sptes.rows'>['filter'];

const LIVE_MS = 250;
/** A million sptes take a tenth of a second to index and to order. Of a running guest's time that is to be one part in so many. */
const LIVE_SHARE = 100;
/** Heat strips that are on screen at once, and a few more. */
const MAX_HEATS = 8;
const TWO_32 = 0x1_0000_0000;
const NX = 1 << 31;

export class SpteTable {
  #index: SpteIndex | undefined;
  #moment: Moment | undefined;
  #order: Uint32Array | undefined;
  #filterKey = '';
  #gfns: GfnExtent | undefined;
  readonly #heats = new Map<string, SpteHeat>();
  #indexedAt = -Infinity;
  /** Host milliseconds that the present index and its orders have taken. */
  #spent = 0;

  /**
   * What was indexed at the same moment is used again; while the guest runs, also what is a little older, and the moment that
   * goes with it says so.
   * @param now host milliseconds
   */
  refresh(arena: Arena, moment: Moment, now: () => number): { readonly index: SpteIndex; readonly moment: Moment } {
    const began = now();
    const patience = Math.max(LIVE_MS, LIVE_SHARE * this.#spent);
    const isRecent = moment.live && moment.epoch === this.#moment?.epoch && began - this.#indexedAt < patience;
    if (this.#index === undefined || this.#moment === undefined || !(isRecent || sameMoment(this.#moment, moment))) {
      this.#index = indexSptes(arena);
      this.#moment = moment;
      this.#order = undefined;
      this.#heats.clear();
      this.#indexedAt = now();
      this.#spent = this.#indexedAt - began;
    }
    return { index: this.#index, moment: this.#moment };
  }

  /** Row numbers of the index that match, in order. */
  order(filter: SpteFilter, now: () => number): Uint32Array {
    const index = this.#index;
    if (index === undefined) return new Uint32Array(0);
    const key = JSON.stringify(filter);
    if (this.#order === undefined || this.#filterKey !== key) {
      const began = now();
      const sorted = sortRows(index, selectRows(index, filter), filter.sort);
      this.#order = filter.descending ? sorted.toReversed() : sorted;
      this.#filterKey = key;
      this.#gfns = extentOf(index, this.#order);
      this.#spent += now() - began;
    }
    return this.#order;
  }

  /** {@link spteHeat} of the index. */
  heat(start: bigint, length: bigint, buckets: number): SpteHeat {
    const index = this.#index;
    if (index === undefined) return { fresh: new Uint32Array(buckets), stale: new Uint32Array(buckets) };
    const key = `${start} ${length} ${buckets}`;
    const known = this.#heats.get(key);
    if (known !== undefined) return known;
    const heat = spteHeat(index, start, length, buckets);
    if (this.#heats.size === MAX_HEATS) this.#heats.clear();
    this.#heats.set(key, heat);
    return heat;
  }

  /** Lowest and highest gfn of the rows in order. */
  get gfns(): GfnExtent | undefined {
    return this.#gfns;
  }
}

interface GfnExtent {
  readonly first: number;
  readonly last: number;
}

function extentOf({ gfn }: SpteIndex, rows: Uint32Array): GfnExtent | undefined {
  if (rows.length === 0) return undefined;
  let first = Infinity;
  let last = 0;
  for (let i = 0; i < rows.length; i++) {
    const at = gfn[rows[i]];
    if (at < first) first = at;
    if (at > last) last = at;
  }
  return { first, last };
}

const sameMoment = (a: Moment, b: Moment): boolean =>
  a.epoch === b.epoch && a.insns === b.insns && a.memslotsGeneration === b.memslotsGeneration;

export function spteRow(arena: Arena, index: SpteIndex, row: number): SpteRow {
  const place = index.place[row];
  const page = Math.floor(place / ENTRIES_PER_PAGE);
  const entry = place % ENTRIES_PER_PAGE;
  const low = index.low[row];
  const high = index.high[row];
  const kind = index.kind[row];
  const gen = index.gen[row];
  return {
    page,
    entry,
    sptep: pageTable(arena, page) + entry * 8,
    level: index.level[row],
    gfn: index.gfn[row],
    value: u64FromHalves(low, high),
    kind: SPTE_KINDS[kind],
    gen,
    stale: gen >= 0 && gen !== index.format.generation,
    writable: kind !== KIND_MMIO && (low & 2) !== 0,
    access: accessText(index.format, kind, low, high),
  };
}

/** EPT entries say r, w, x; others w, u, x. An MMIO spte says what it keeps. */
function accessText(format: SpteFormat, kind: number, low: number, high: number): string {
  const letter = (on: boolean, name: string): string => (on ? name : '-');
  if (kind === KIND_MMIO) {
    const access = mmioSpteAccess(format.mmio, low);
    return letter((access & ACC_WRITE_MASK) !== 0, 'w') + letter((access & ACC_USER_MASK) !== 0, 'u');
  }
  if (format.isEpt) return letter((low & 1) !== 0, 'r') + letter((low & 2) !== 0, 'w') + letter((low & 4) !== 0, 'x');
  return letter((low & 2) !== 0, 'w') + letter((low & 4) !== 0, 'u') + letter((high & NX) === 0, 'x');
}

function selectRows(index: SpteIndex, filter: SpteFilter): Uint32Array {
  const kinds = kindBits(filter.kinds);
  const first = filter.gfnStart ?? 0;
  const end = filter.gfnStart === undefined ? Infinity : first + (filter.gfnLength ?? 1);
  const { generation } = index.format;
  const rows = new Uint32Array(index.count);
  let count = 0;
  for (let row = 0; row < index.count; row++) {
    const kind = index.kind[row];
    if ((kinds & (1 << kind)) === 0) continue;
    if (filter.freshness !== 'any') {
      if (kind !== KIND_MMIO) continue;
      const stale = index.gen[row] >= 0 && index.gen[row] !== generation;
      if (stale !== (filter.freshness === 'stale')) continue;
    }
    const gfn = index.gfn[row];
    // A large page or a table counts where it begins or where it covers the first frame asked for.
    if (gfn >= end || gfn + 2 ** (9 * (index.level[row] - 1)) <= first) continue;
    if (filter.level !== undefined && index.level[row] !== filter.level) continue;
    if (filter.role !== undefined && index.roles[Math.floor(index.place[row] / ENTRIES_PER_PAGE)] >>> 0 !== filter.role)
      continue;
    if (filter.page !== undefined && Math.floor(index.place[row] / ENTRIES_PER_PAGE) !== filter.page) continue;
    rows[count++] = row;
  }
  return rows.slice(0, count);
}

const kindBits = (kinds: SpteFilter['kinds']): number =>
  kinds.length === 0 ? -1 : kinds.reduce((bits, kind) => bits | (1 << SPTE_KINDS.indexOf(kind)), 0);

function sortRows(index: SpteIndex, rows: Uint32Array, by: SpteFilter['sort']): Uint32Array {
  // The index runs page by page, entry by entry: that is the order of addresses already.
  if (by === 'sptep') return rows;
  return radixOrder(rows, keysOf(index, by));
}

function keysOf(index: SpteIndex, by: Exclude<SpteFilter['sort'], 'sptep'>): RowKeys {
  if (by === 'value') {
    return { low: new Uint32Array(index.low.buffer), high: new Uint32Array(index.high.buffer) };
  }
  const low = new Uint32Array(index.count);
  const high = new Uint32Array(index.count);
  for (let row = 0; row < index.count; row++) {
    // A generation of −1 comes before 0.
    const key = by === 'gfn' ? index.gfn[row] : by === 'gen' ? index.gen[row] + 1 : index.level[row];
    low[row] = key >>> 0;
    high[row] = key / TWO_32;
  }
  return { low, high };
}
