/** Shadow pages and their sptes: the tree, the table as far as it is looked at, and the one spte under the glass. */
import type { Answer, Moment, RequestError, SptePageSnapshot, SpteRow } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { inPieces } from '../api/in-pieces.ts';
import { latestRequest } from '../api/latest-request.ts';
import { keepUnchanged } from '../api/unchanged.ts';
import type { SpteFilter, SptePlace } from '@core/format/spte-query.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

export type SpteSort = NonNullable<SpteFilter['sort']>;

/** MMIO sptes over the gfns of the rows that match, in equal parts. */
export interface SpteHeat {
  readonly first: number;
  readonly last: number;
  readonly framesPerCell: number;
  readonly fresh: Uint32Array;
  readonly stale: Uint32Array;
}

/** Parts of the heat strip: fewer where there are fewer frames. */
const HEAT_CELLS = 160;

/** Rows asked for beside those that are looked at: behind the reader, and ahead by what three steps like the last need. */
const BEHIND = 40;
const AHEAD = { least: 120, most: 240, steps: 3 };
/** The table asks for more when fewer rows than so many steps need are left ahead. */
const SOON = { steps: 6, most: 60 };
/** Whoever goes so far at once has no direction. */
const LEAP = 400;
/** As many as the engine gives at once. */
const MAX_ROWS = 1000;

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const pageRequests = latestRequest();
  const rowRequests = latestRequest();
  const heatRequests = latestRequest();
  const pages = shallowRef<readonly SptePageSnapshot[]>([]);
  const filter = shallowRef<SpteFilter>({ kinds: ['mmio'] });
  const rows = shallowRef<readonly SpteRow[]>([]);
  /** Index of the first of `rows` among all that match. */
  const offset = ref(0);
  const total = ref(0);
  const selected = shallowRef<SpteRow>();
  const moment = shallowRef<Moment>();
  const error = shallowRef<RequestError>();
  const heat = shallowRef<SpteHeat>();
  /** Lowest and highest gfn of all rows that match. */
  const gfns = shallowRef<{ readonly first: number; readonly last: number }>();
  /** Whether somebody looks at the shadow pages: counting what is in them costs as much as the whole table. */
  const wantsPages = ref(false);
  /** Which of its three faces the panel shows. */
  const view = ref<'table' | 'tree' | 'decode'>('table');
  let wanted = { first: 0, last: 0 };
  /** Rows that the reader has moved by, down or up. */
  let step = 0;
  let isFetching = false;
  /** Instruction count of the stop whose spte was brought under the glass; from then on the reader chooses. */
  let shownStop = -1;
  /** Grows with every spte that the reader chooses: an answer to what was asked before comes too late. */
  let choices = 0;

  const children = computed(() => {
    const byParent = new Map<number, SptePageSnapshot[]>();
    for (const page of pages.value) {
      const siblings = byParent.get(page.parent);
      if (siblings) siblings.push(page);
      else byParent.set(page.parent, [page]);
    }
    return byParent;
  });

  /** Rows that are there. */
  const loaded = computed(() => ({ first: offset.value, last: offset.value + rows.value.length - 1 }));
  const rowAt = (index: number): SpteRow | undefined => rows.value[index - offset.value];

  async function refreshPages(): Promise<void> {
    const answer = await pageRequests.run(() => desktop.call('sptes.pages', {}));
    if (answer?.ok && machine.admit(answer.value.moment)) pages.value = answer.value.pages;
  }

  /** The window of rows for where the reader is and goes. */
  async function fetchRows(): Promise<boolean> {
    const ahead = Math.min(AHEAD.most, Math.max(AHEAD.least, Math.abs(step) * AHEAD.steps));
    const begin = Math.max(0, wanted.first - (step < 0 ? ahead : BEHIND));
    const end = wanted.last + 1 + (step < 0 ? BEHIND : ahead);
    const asked = { filter: filter.value, offset: begin, limit: Math.min(MAX_ROWS, end - begin), inPieces: true };
    const answer = await rowRequests.run((isNewest) => inPieces(() => desktop.call('sptes.rows', asked), isNewest));
    if (answer === undefined) return false;
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok || !machine.admit(answer.value.moment)) return false;
    moment.value = answer.value.moment;
    rows.value =
      answer.value.offset === offset.value ? keepUnchanged(rows.value, answer.value.rows) : answer.value.rows;
    offset.value = answer.value.offset;
    total.value = answer.value.total;
    gfns.value = answer.value.gfns;
    return true;
  }

  async function refreshRows(): Promise<void> {
    if (!(await fetchRows())) return;
    await Promise.all([refreshHeat(), followStop().then((isThere) => (isThere ? undefined : followSelected()))]);
  }

  /** Only MMIO sptes are counted, so for other kinds there is no strip. */
  async function refreshHeat(): Promise<void> {
    const { kinds = [] } = filter.value;
    const range = gfns.value;
    if (range === undefined || (kinds.length > 0 && !kinds.includes('mmio'))) {
      heat.value = undefined;
      return;
    }
    const frames = range.last - range.first + 1;
    const buckets = Math.min(HEAT_CELLS, frames);
    const asked = { start: BigInt(range.first) << 12n, length: BigInt(frames) << 12n, buckets, inPieces: true };
    const answer = await heatRequests.run((isNewest) => inPieces(() => desktop.call('sptes.heat', asked), isNewest));
    if (!answer?.ok || !machine.admit(answer.value.moment)) return;
    const { fresh, stale } = answer.value;
    heat.value = keepUnchanged(heat.value, { ...range, framesPerCell: frames / buckets, fresh, stale });
  }

  const rowsOf = (place: SpteFilter, limit: number): Promise<Answer<'sptes.rows'>> =>
    inPieces(() => desktop.call('sptes.rows', { filter: place, offset: 0, limit, inPieces: true }));

  /** In front of an MMIO fault the spte of its gfn is what there is to see. */
  async function followStop(): Promise<boolean> {
    const { status } = machine;
    if (status?.reason.kind !== 'mmio-breakpoint' || status.moment.insns === shownStop) return false;
    shownStop = status.moment.insns;
    const gfn = Number(status.reason.fault.gpa >> 12n);
    const filterOfStop: SpteFilter = { kinds: ['mmio', 'leaf', 'large'], gfnStart: gfn, gfnLength: 1 };
    const asked = choices;
    const answer = await rowsOf(filterOfStop, 1);
    if (asked !== choices) return true;
    const row = answer.ok ? answer.value.rows.at(0) : undefined;
    if (row) selected.value = row;
    return row !== undefined;
  }

  /** The selected spte may have been rewritten, and may have left the filter: it is asked for by its place. */
  async function followSelected(): Promise<void> {
    const old = selected.value;
    if (old === undefined) {
      selected.value = rows.value.at(0);
      return;
    }
    const isSame = (row: SpteRow): boolean => row.page === old.page && row.entry === old.entry;
    const inView = rows.value.find(isSame);
    if (inView) {
      selected.value = inView;
      return;
    }
    const answer = await rowsOf({ page: old.page, gfnStart: old.gfn, gfnLength: 1 }, 8);
    const found = answer.ok ? answer.value.rows.find(isSame) : undefined;
    if (selected.value === old) selected.value = found ?? rows.value.at(0);
  }

  const refresh = async (): Promise<void> => {
    await Promise.all([wantsPages.value ? refreshPages() : undefined, refreshRows()]);
  };

  async function showPages(shown: boolean): Promise<void> {
    wantsPages.value = shown;
    if (shown) await refreshPages();
  }

  function isThere(): boolean {
    const soon = Math.min(SOON.most, Math.abs(step) * SOON.steps);
    const begin = Math.max(0, wanted.first - (step < 0 ? soon : 0));
    const end = Math.min(total.value, wanted.last + 1 + (step > 0 ? soon : 0));
    return begin >= offset.value && end <= offset.value + rows.value.length;
  }

  /**
   * Makes sure that the rows from `first` to `last` are there, and those that come next. One question at a time: an answer
   * that came late would be asked for again and again while somebody scrolls.
   */
  async function ensure(first: number, last: number): Promise<void> {
    // A leap is no direction.
    const moved = first - wanted.first;
    step = Math.abs(moved) < LEAP ? moved : 0;
    wanted = { first, last };
    if (isFetching) return;
    isFetching = true;
    for (let round = 0; round < 2 && !isThere() && total.value > 0; round++) await fetchRows();
    isFetching = false;
  }

  async function setFilter(next: SpteFilter): Promise<void> {
    filter.value = next;
    wanted = { first: 0, last: 0 };
    step = 0;
    await refreshRows();
  }

  async function sortBy(sort: SpteSort): Promise<void> {
    const isSame = (filter.value.sort ?? 'gfn') === sort;
    await setFilter({ ...filter.value, sort, descending: isSame ? !filter.value.descending : false });
  }

  /** Other sptes of the same kinds, in the same order. */
  async function setPlace(place: SptePlace): Promise<void> {
    const { kinds, freshness, state, sort, descending } = filter.value;
    await setFilter({ kinds, freshness, state, sort, descending, ...place });
  }

  /** Whatever maps them, MMIO or not. */
  async function setPlaceOfAny(place: SptePlace): Promise<void> {
    const { sort = 'gfn', descending = false } = filter.value;
    await setFilter({ ...place, sort, descending });
  }

  /** Every spte that maps `gfn`. */
  const showGfn = (gfn: number): Promise<void> => setPlaceOfAny({ gfnStart: gfn, gfnLength: 1 });
  const showRange = (gpa: bigint, size: bigint): Promise<void> =>
    setPlaceOfAny({ gfnStart: Number(gpa >> 12n), gfnLength: Math.max(1, Number(size >> 12n)) });
  const showPage = (page: number | undefined): Promise<void> => setPlaceOfAny(page === undefined ? {} : { page });

  function select(row: SpteRow): void {
    choices += 1;
    const { status } = machine;
    if (status?.reason.kind === 'mmio-breakpoint') shownStop = status.moment.insns;
    selected.value = row;
  }

  return {
    view,
    pages,
    children,
    filter,
    rows,
    loaded,
    offset,
    total,
    selected,
    moment,
    error,
    gfns,
    heat,
    setPlace,
    rowAt,
    refresh,
    showPages,
    ensure,
    setFilter,
    sortBy,
    showGfn,
    showRange,
    showPage,
    select,
  };
}

/** One of each panel. */
export const useSptesStore = (panel = 'sptes') => defineStore(panel, setup)();
