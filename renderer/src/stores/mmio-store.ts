/** The MMIO faults: the newest of the log, and counts by gfn. */
import type { MmioFaultRecord, MmioHeat } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import { logAround } from '../api/log-around.ts';
import { logTail, type LogPiece } from '../api/log-tail.ts';
import { isLeft } from '../api/stop-change.ts';
import { mmioCsv } from '../layout/mmio-csv.ts';
import { ANY_FAULT, claimOf, filterAsBreakpoint, isAny, mmioPredicate } from '../layout/mmio-filter.ts';
import type { MmioFilter } from '../layout/mmio-filter.ts';
import type { BreakpointDraft } from '../layout/breakpoint-form.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

const LIMIT = 500;
const LIVE_LIMIT = 50;
const KEPT = 5000;
const HEAT_ROWS = 1000;
const EXPORT_PIECE = 1000;
/** Of a guest that runs on: it would never end. */
const EXPORT_MOST = 20_000;

export const useMmioStore = defineStore('mmio', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const tail = logTail({ ask: read, limit: LIMIT, liveLimit: LIVE_LIMIT, kept: KEPT }, noteStop);
  const { records, moment, total, refresh: refreshLog } = tail;
  const heat = shallowRef<MmioHeat>();
  /** Nothing of the log is shown but this. */
  const filter = shallowRef<MmioFilter>(ANY_FAULT);
  const isFiltered = computed(() => !isAny(filter.value));
  /** Faults up to this one are old news: they were there at the last stop. */
  const seenAtLastStop = ref(-1);
  /** A breakpoint that somebody wants to make of a row; the breakpoints panel opens its form with it. */
  const breakpointDraft = shallowRef<BreakpointDraft>();

  /** Faults around a moment of the past, instead of the newest. */
  const past = shallowRef<readonly MmioFaultRecord[]>();
  const shown = computed(() => (past.value ?? records.value).filter(mmioPredicate(filter.value)).toReversed());
  /** What a column can be filtered by: what the log has. */
  const devices = computed(() => [...new Set(records.value.map(claimOf))].toSorted());
  const vcpus = computed(() => [...new Set(records.value.map(({ vcpu }) => vcpu))].toSorted((a, b) => a - b));
  const hottest = computed(() => heat.value?.rows.reduce((most, { count }) => Math.max(most, count), 0) ?? 0);

  async function read(since: number, limit: number): Promise<LogPiece<MmioFaultRecord> | undefined> {
    const answer = await desktop.call('mmio.log', { since, limit });
    return answer.ok && machine.admit(answer.value.moment) ? answer.value : undefined;
  }

  /** What is there when the guest goes on is old news at the next stop. */
  function noteStop(piece: LogPiece<MmioFaultRecord>, isRestarted: boolean): void {
    if (isRestarted) seenAtLastStop.value = -1;
    else if (moment.value && isLeft(moment.value, piece.moment)) seenAtLastStop.value = total.value - 1;
  }

  /** Shows the faults around a moment. @returns the running number of the one, undefined when there is none */
  async function goTo(insns: number): Promise<number | undefined> {
    await refreshLog();
    const around = await logAround(read, insns, LIMIT);
    if (around === undefined) return undefined;
    const isInTail = (records.value.at(0)?.seq ?? Infinity) <= around.seq;
    past.value = isInTail ? undefined : around.records;
    return around.seq;
  }

  function showNewest(): void {
    past.value = undefined;
  }

  async function refreshHeat(): Promise<void> {
    const answer = await desktop.call('mmio.heat', { limit: HEAT_ROWS });
    if (answer.ok && machine.admit(answer.value.moment)) heat.value = answer.value;
  }

  /** The machine that the faults belong to is gone. */
  function clear(): void {
    tail.clear();
    showNewest();
    seenAtLastStop.value = -1;
    filter.value = ANY_FAULT;
  }

  function narrow(part: Partial<MmioFilter>): void {
    filter.value = { ...filter.value, ...part };
  }

  /** A breakpoint for what the filter shows; the breakpoints panel opens its form with it. */
  async function proposeStop(): Promise<boolean> {
    const slots = await desktop.call('memslots.read', {});
    breakpointDraft.value = filterAsBreakpoint(filter.value, slots.ok ? slots.value.devices : []);
    return breakpointDraft.value !== undefined;
  }

  /** All that the engine still has of the log, not only what is on screen; as far as the filter shows it. */
  async function exportCsv(): Promise<boolean> {
    const all: MmioFaultRecord[] = [];
    for (let since = 0; ;) {
      const piece = await read(since, EXPORT_PIECE);
      const last = piece?.records.at(-1);
      if (piece === undefined || last === undefined) break;
      all.push(...piece.records);
      since = last.seq + 1;
      if (piece.moment.live && all.length >= EXPORT_MOST) break;
    }
    const text = mmioCsv(all.filter(mmioPredicate(filter.value)));
    return desktop.saveFile('mmio-faults', 'csv', new TextEncoder().encode(text));
  }

  function proposeBreakpoint({ gpa, access }: MmioFaultRecord): void {
    const range = { start: (gpa >> 12n) << 12n, length: 0x1000n };
    breakpointDraft.value = {
      spec: { kind: 'mmio', ...range, access: access === 'fetch' ? 'any' : access, outcomes: [], freshness: 'any' },
      ...(access === 'fetch' ? { condition: 'event.access == "fetch"' } : {}),
    };
  }

  return {
    records,
    heat,
    moment,
    total,
    filter,
    isFiltered,
    devices,
    vcpus,
    narrow,
    proposeStop,
    exportCsv,
    seenAtLastStop,
    past,
    goTo,
    showNewest,
    shown,
    hottest,
    breakpointDraft,
    proposeBreakpoint,
    refreshLog,
    refreshHeat,
    clear,
  };
});
