/** The MMIO faults: the newest of the log, and counts by gfn. */
import type { MmioFaultRecord, MmioHeat } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { MmioOutcome } from '../api/contract-words.ts';
import { logTail, type LogPiece } from '../api/log-tail.ts';
import { isLeft } from '../api/stop-change.ts';
import type { MmioSpec } from './breakpoints-store.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

const LIMIT = 500;
const LIVE_LIMIT = 50;
const KEPT = 5000;
const HEAT_ROWS = 60;

export const useMmioStore = defineStore('mmio', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const tail = logTail({ ask: read, limit: LIMIT, liveLimit: LIVE_LIMIT, kept: KEPT }, noteStop);
  const { records, moment, total, refresh: refreshLog } = tail;
  const heat = shallowRef<MmioHeat>();
  /** Nothing of the log is shown but this. */
  const outcome = ref<MmioOutcome | 'any'>('any');
  const gfn = ref<number>();
  /** Faults up to this one are old news: they were there at the last stop. */
  const seenAtLastStop = ref(-1);
  /** A breakpoint that somebody wants to make of a row; the breakpoints panel opens its form with it. */
  const breakpointDraft = shallowRef<MmioSpec>();

  const gfnOf = ({ gpa }: MmioFaultRecord): number => Number(gpa >> 12n);
  const shown = computed(() =>
    records.value
      .filter((record) => outcome.value === 'any' || record.outcome === outcome.value)
      .filter((record) => gfn.value === undefined || gfnOf(record) === gfn.value)
      .toReversed(),
  );
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

  async function refreshHeat(): Promise<void> {
    const answer = await desktop.call('mmio.heat', { limit: HEAT_ROWS });
    if (answer.ok && machine.admit(answer.value.moment)) heat.value = answer.value;
  }

  /** The machine that the faults belong to is gone. */
  function clear(): void {
    tail.clear();
    seenAtLastStop.value = -1;
    gfn.value = undefined;
  }

  function proposeBreakpoint({ gpa, access }: MmioFaultRecord): void {
    breakpointDraft.value = {
      kind: 'mmio',
      start: (gpa >> 12n) << 12n,
      length: 0x1000n,
      access: access === 'write' ? 'write' : 'read',
      outcomes: [],
      freshness: 'any',
    };
  }

  return {
    records,
    heat,
    moment,
    total,
    outcome,
    gfn,
    seenAtLastStop,
    shown,
    hottest,
    breakpointDraft,
    proposeBreakpoint,
    refreshLog,
    refreshHeat,
    clear,
  };
});
