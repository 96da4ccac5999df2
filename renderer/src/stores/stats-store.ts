/** KVM's counters, with a short memory for the small plots. */
import type { RequestError, StatsSnapshot } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import type { VcpuCounter, VmCounter } from '../api/contract-words.ts';
import { latestRequest } from '../api/latest-request.ts';
import { isLeft } from '../api/stop-change.ts';
import { NO_RATE } from '../layout/counter-words.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useMachineStore } from './machine-store.ts';

/** Samples a plot is made of. */
const SAMPLES = 90;

const PINS_KEY = 'umbra.statistics.pins';

function readPins(): readonly string[] {
  try {
    const saved: unknown = JSON.parse(localStorage.getItem(PINS_KEY) ?? '[]');
    return Array.isArray(saved) ? saved.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}

export interface CounterRow {
  readonly name: VcpuCounter | VmCounter;
  readonly scope: 'vcpu' | 'vm';
  readonly value: number;
  /** Growth since the last stop. */
  readonly growth: number;
  /** Growth a second from sample to sample; of a gauge what it was. */
  readonly history: readonly number[];
}

const countersOf = (stats: StatsSnapshot): ReadonlyMap<string, number> =>
  new Map([...Object.entries(stats.vcpu), ...Object.entries(stats.vm)]);

export const useStatsStore = defineStore('stats', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const samples = shallowRef<readonly StatsSnapshot[]>([]);
  /** Host milliseconds of each sample. */
  const times = shallowRef<readonly number[]>([]);
  const baseline = shallowRef<StatsSnapshot>();
  const error = shallowRef<RequestError>();

  const snapshot = computed(() => samples.value.at(-1));
  const rows = computed<readonly CounterRow[]>(() => {
    const now = snapshot.value;
    if (now === undefined) return [];
    const tables = samples.value.map(countersOf);
    const before = baseline.value ? countersOf(baseline.value) : undefined;
    const row = (name: VcpuCounter | VmCounter, scope: 'vcpu' | 'vm', value: number): CounterRow => ({
      name,
      scope,
      value,
      growth: before ? value - (before.get(name) ?? 0) : 0,
      history: historyOf(name, tables),
    });
    const entries = <K extends string>(table: Readonly<Partial<Record<K, number>>>): [K, number][] =>
      Object.entries(table) as [K, number][];
    return [
      ...entries(now.vcpu).map(([name, value]) => row(name, 'vcpu', value)),
      ...entries(now.vm).map(([name, value]) => row(name, 'vm', value)),
    ];
  });
  function historyOf(name: string, tables: readonly ReadonlyMap<string, number>[]): readonly number[] {
    const values = tables.map((table) => table.get(name) ?? 0);
    if (NO_RATE.has(name)) return values;
    return values.slice(1).map((value, i) => {
      const seconds = (times.value[i + 1] - times.value[i]) / 1000;
      return seconds > 0 ? Math.max(0, value - values[i]) / seconds : 0;
    });
  }

  /** How long the plots look back. */
  const seconds = computed(() => ((times.value.at(-1) ?? 0) - (times.value.at(0) ?? 0)) / 1000);
  const pins = shallowRef<readonly string[]>(readPins());
  /** Growth by the second, between the last two samples of a running machine. */
  const rates = computed<ReadonlyMap<string, number>>(() => {
    const [last, now] = [times.value.at(-2), times.value.at(-1)];
    const [before, after] = [samples.value.at(-2), samples.value.at(-1)];
    if (last === undefined || now === undefined || !before || !after?.moment.live || now <= last) return new Map();
    const old = countersOf(before);
    const perSecond = (name: string, value: number): number => ((value - (old.get(name) ?? 0)) * 1000) / (now - last);
    return new Map([...countersOf(after)].map(([name, value]) => [name, perSecond(name, value)]));
  });

  function togglePin(name: string): void {
    pins.value = pins.value.includes(name) ? pins.value.filter((one) => one !== name) : [...pins.value, name];
    localStorage.setItem(PINS_KEY, JSON.stringify(pins.value));
  }

  const speeds = computed(() => samples.value.map(({ insnsPerSecond }) => insnsPerSecond));
  const mmioRates = computed(() => samples.value.map(({ mmioPerSecond }) => mmioPerSecond));

  function apply(next: StatsSnapshot): void {
    if (!machine.admit(next.moment)) return;
    const now = performance.now();
    const last = snapshot.value;
    const isNewStop = last && (next.moment.live !== last.moment.live || next.moment.epoch !== last.moment.epoch);
    if (last && isLeft(last.moment, next.moment)) baseline.value = last;
    // A reset machine has nothing to do with the samples before it.
    const isAnew = last !== undefined && next.moment.insns < last.moment.insns;
    // While it stands still there is one sample of it, the newest.
    const isStill = last !== undefined && !isNewStop && !next.moment.live;
    const [from, to] = isAnew ? [0, 0] : isStill ? [0, -1] : [1 - SAMPLES, undefined];
    samples.value = [...samples.value.slice(from, to), next];
    times.value = [...times.value.slice(from, to), now];
  }

  async function refresh(): Promise<void> {
    const answer = await requests.run(() => desktop.call('stats.read', {}));
    if (answer === undefined) return;
    error.value = answer.ok ? undefined : answer.error;
    if (answer.ok) apply(answer.value);
  }

  async function reset(): Promise<void> {
    const answer = await desktop.call('stats.reset', {});
    error.value = answer.ok ? undefined : answer.error;
    if (!answer.ok) return;
    samples.value = [answer.value];
    times.value = [performance.now()];
    baseline.value = undefined;
  }

  return {
    samples,
    baseline,
    snapshot,
    error,
    rows,
    rates,
    seconds,
    pins,
    togglePin,
    speeds,
    mmioRates,
    refresh,
    reset,
  };
});
