/** The MMIO faults: the newest of the log, and counts by gfn. */
import type { MmioFaultRecord, MmioHeat, MmioLogSnapshot, Moment } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { MmioOutcome } from '../api/contract-words.ts';
import type { MmioSpec } from './breakpoints-store.ts';
import { isLeft } from '../api/stop-change.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

const LIMIT = 500;
const LIVE_LIMIT = 50;
const KEPT = 5000;
const HEAT_ROWS = 60;

export const useMmioStore = defineStore('mmio', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  /** Oldest first. */
  const records = shallowRef<readonly MmioFaultRecord[]>([]);
  const heat = shallowRef<MmioHeat>();
  const moment = shallowRef<Moment>();
  const total = ref(0);
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

  /**
   * Only the tail is of use to a reader: when more has happened than is shown, the log goes on at its end. Every record
   * crosses two worlds on its way here, so a guest that faults a million times a second is followed in short pieces.
   */
  async function refreshLog(): Promise<void> {
    const probe = await desktop.call('mmio.log', { since: Number.MAX_SAFE_INTEGER, limit: 1 });
    if (!probe.ok || !machine.admit(probe.value.moment)) return;
    apply(probe.value);
    const next = (records.value.at(-1)?.seq ?? -1) + 1;
    if (next >= total.value) return;
    const limit = probe.value.moment.live ? LIVE_LIMIT : LIMIT;
    const answer = await desktop.call('mmio.log', { since: Math.max(next, total.value - limit), limit });
    if (answer.ok && machine.admit(answer.value.moment)) apply(answer.value);
  }

  function apply(next: MmioLogSnapshot): void {
    const isRestarted = next.total < total.value;
    const last = moment.value;
    if (isRestarted) seenAtLastStop.value = -1;
    else if (last && isLeft(last, next.moment)) seenAtLastStop.value = total.value - 1;
    const kept = isRestarted ? [] : records.value;
    const newest = kept.at(-1)?.seq ?? -1;
    const fresh = next.records.filter(({ seq }) => seq > newest);
    moment.value = next.moment;
    total.value = next.total;
    if (isRestarted || fresh.length > 0) records.value = [...kept, ...fresh].slice(-KEPT);
  }

  async function refreshHeat(): Promise<void> {
    const answer = await desktop.call('mmio.heat', { limit: HEAT_ROWS });
    if (answer.ok && machine.admit(answer.value.moment)) heat.value = answer.value;
  }

  /** The machine that the faults belong to is gone. */
  function clear(): void {
    records.value = [];
    total.value = 0;
    moment.value = undefined;
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
