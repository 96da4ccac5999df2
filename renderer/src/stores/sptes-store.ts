/** Shadow pages and their sptes: the tree, the table as far as it is looked at, and the one spte under the glass. */
import type { Moment, Params, RequestError, SptePageSnapshot, SpteRow } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

export type SpteFilter = Params<'sptes.rows'>['filter'];
export type SpteSort = NonNullable<SpteFilter['sort']>;

/** Rows asked for at once. */
const WINDOW = 200;

function setup() {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const pageRequests = latestRequest();
  const rowRequests = latestRequest();
  const pages = shallowRef<readonly SptePageSnapshot[]>([]);
  const filter = shallowRef<SpteFilter>({ kinds: ['mmio'] });
  const rows = shallowRef<readonly SpteRow[]>([]);
  /** Index of the first of `rows` among all that match. */
  const offset = ref(0);
  const total = ref(0);
  const selected = shallowRef<SpteRow>();
  const moment = shallowRef<Moment>();
  const error = shallowRef<RequestError>();
  let wantedFirst = 0;
  /** Instruction count of the stop whose spte was brought under the glass; from then on the reader chooses. */
  let shownStop = -1;

  const children = computed(() => {
    const byParent = new Map<number, SptePageSnapshot[]>();
    for (const page of pages.value) {
      const siblings = byParent.get(page.parent);
      if (siblings) siblings.push(page);
      else byParent.set(page.parent, [page]);
    }
    return byParent;
  });

  const rowAt = (index: number): SpteRow | undefined => rows.value[index - offset.value];

  async function refreshPages(): Promise<void> {
    const answer = await pageRequests.run(() => desktop.call('sptes.pages', {}));
    if (answer?.ok && machine.admit(answer.value.moment)) pages.value = answer.value.pages;
  }

  async function refreshRows(): Promise<void> {
    const first = Math.max(0, Math.floor(wantedFirst / 50) * 50 - 50);
    const answer = await rowRequests.run(() =>
      desktop.call('sptes.rows', { filter: filter.value, offset: first, limit: WINDOW }),
    );
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok || !machine.admit(answer.value.moment)) return;
    moment.value = answer.value.moment;
    rows.value = answer.value.rows;
    offset.value = answer.value.offset;
    total.value = answer.value.total;
    if (!(await followStop())) await followSelected();
  }

  /** In front of an MMIO fault the spte of its gfn is what there is to see. */
  async function followStop(): Promise<boolean> {
    const { status } = machine;
    if (status?.reason.kind !== 'mmio-breakpoint' || status.moment.insns === shownStop) return false;
    shownStop = status.moment.insns;
    const gfn = Number(status.reason.fault.gpa >> 12n);
    const answer = await desktop.call('sptes.rows', {
      filter: { kinds: ['mmio', 'leaf', 'large'], gfnStart: gfn, gfnLength: 1 },
      offset: 0,
      limit: 1,
    });
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
    const answer = await desktop.call('sptes.rows', {
      filter: { page: old.page, gfnStart: old.gfn, gfnLength: 1 },
      offset: 0,
      limit: 8,
    });
    const found = answer.ok ? answer.value.rows.find(isSame) : undefined;
    if (selected.value === old) selected.value = found ?? rows.value.at(0);
  }

  const refresh = async (): Promise<void> => {
    await Promise.all([refreshPages(), refreshRows()]);
  };

  /** Makes sure that the rows from `first` to `last` are there. */
  async function ensure(first: number, last: number): Promise<void> {
    wantedFirst = first;
    const isThere = first >= offset.value && last < offset.value + rows.value.length;
    if (!isThere && total.value > 0) await refreshRows();
  }

  async function setFilter(next: SpteFilter): Promise<void> {
    filter.value = next;
    wantedFirst = 0;
    await refreshRows();
  }

  async function sortBy(sort: SpteSort): Promise<void> {
    const isSame = (filter.value.sort ?? 'gfn') === sort;
    await setFilter({ ...filter.value, sort, descending: isSame ? !filter.value.descending : false });
  }

  /** Every spte that maps `gfn`. */
  const showGfn = (gfn: number): Promise<void> => setFilter({ gfnStart: gfn, gfnLength: 1 });
  const showRange = (gpa: bigint, size: bigint): Promise<void> =>
    setFilter({ gfnStart: Number(gpa >> 12n), gfnLength: Math.max(1, Number(size >> 12n)) });
  const showPage = (page: number | undefined): Promise<void> => {
    const { page: _old, ...others } = filter.value;
    return setFilter(page === undefined ? others : { ...others, page, kinds: [] });
  };

  function select(row: SpteRow): void {
    selected.value = row;
  }

  return {
    pages,
    children,
    filter,
    rows,
    offset,
    total,
    selected,
    moment,
    error,
    rowAt,
    refresh,
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
