/**
 * The table of sptes that people look at: filtered, ordered, a window of it. Index and orders are kept for as long as the
 * caller says that they belong to the same moment, so that scrolling costs nothing; what is not finished within a request's
 * time goes on with the next one, from the copy that the first one took.
 */
import type { Arena } from '../../arena/arena.ts';
import { u64FromHalves } from '../../base/address.ts';
import { ACC_USER_MASK, ACC_WRITE_MASK, mmioSpteAccess } from '../../kvm/spte/spte-mmio.ts';
import type { Moment, SpteRow } from '../../protocol/snapshots.ts';
import { ENTRIES_PER_PAGE, pageTable } from './shadow-page.ts';
import { copySptes } from './spte-copy.ts';
import { spteHeat, type SpteHeat } from './spte-heat.ts';
import { indexSteps, type SpteIndex } from './spte-index.ts';
import { KIND_MMIO, SPTE_KINDS, type SpteFormat } from './spte-kind.ts';
import { filterKey, type OrderedRows, orderRows, type SpteFilter } from './spte-order.ts';
import { WorkCache, type WorkClock, type WorkSteps, workOn } from './work-steps.ts';

const LIVE_MS = 250;
/** A million sptes take a tenth of a second to index and to order. Of a running guest's time that is to be one part in so many. */
const LIVE_SHARE = 100;
/** Panels and questions that are on screen at once, and a few more. */
const MAX_ORDERS = 4;
const MAX_HEATS = 8;
const NX = 1 << 31;

/** The sptes of one moment, as far as they have been read. */
interface Indexing {
  readonly moment: Moment;
  readonly steps: WorkSteps<SpteIndex>;
}

interface Indexed {
  readonly moment: Moment;
  readonly index: SpteIndex;
  readonly at: number;
}

export class SpteTable {
  #indexed: Indexed | undefined;
  #indexing: Indexing | undefined;
  readonly #orders = new WorkCache<OrderedRows>(MAX_ORDERS);
  readonly #heats = new WorkCache<SpteHeat>(MAX_HEATS);
  /** Host milliseconds that the present index and its orders have taken. */
  #spent = 0;

  /**
   * What was indexed at the same moment is used again; while the guest runs, also what is a little older, and the moment that
   * goes with it says so.
   * @returns undefined when there was no time to finish it
   */
  refresh(
    arena: Arena,
    moment: Moment,
    clock: WorkClock,
  ): { readonly index: SpteIndex; readonly moment: Moment } | undefined {
    const began = clock.now();
    const known = this.#indexed;
    if (known !== undefined && this.#serves(known, moment, began)) return known;
    let work = this.#indexing;
    if (work === undefined || !isOf(work.moment, moment)) {
      work = { moment, steps: indexSteps(copySptes(arena)) };
      this.#spent = 0;
    }
    const index = workOn(work.steps, clock);
    const ended = clock.now();
    this.#spent += ended - began;
    this.#indexing = index === undefined ? work : undefined;
    if (index === undefined) return undefined;
    this.#indexed = { moment: work.moment, index, at: ended };
    this.#orders.clear();
    this.#heats.clear();
    return this.#indexed;
  }

  /** The rows of the index that match, in order; undefined when there was no time to finish. */
  order(filter: SpteFilter, clock: WorkClock): OrderedRows | undefined {
    const index = this.#indexed?.index;
    if (index === undefined) return { rows: new Uint32Array(0), gfns: undefined };
    const began = clock.now();
    const ordered = this.#orders.get(filterKey(filter), () => orderRows(index, filter), clock);
    this.#spent += clock.now() - began;
    return ordered;
  }

  /** {@link spteHeat} of the index; undefined when there was no time to finish. */
  heat(start: bigint, length: bigint, buckets: number, clock: WorkClock): SpteHeat | undefined {
    const index = this.#indexed?.index;
    if (index === undefined) return { fresh: new Uint32Array(buckets), stale: new Uint32Array(buckets) };
    return this.#heats.get(`${start} ${length} ${buckets}`, () => spteHeat(index, start, length, buckets), clock);
  }

  #serves(known: Indexed, moment: Moment, now: number): boolean {
    if (sameMoment(known.moment, moment)) return true;
    const patience = Math.max(LIVE_MS, LIVE_SHARE * this.#spent);
    return moment.live && moment.epoch === known.moment.epoch && now - known.at < patience;
  }
}

/** Whether a copy of `copied` may still be read for who asks at `moment`: of a running guest any recent one. */
const isOf = (copied: Moment, moment: Moment): boolean =>
  sameMoment(copied, moment) || (moment.live && moment.epoch === copied.epoch);

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
