/** KVM's counters, with a short memory for the small plots. */
import type { RequestError, StatsSnapshot } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import type { VcpuCounter, VmCounter } from '../api/contract-words.ts';
import { latestRequest } from '../api/latest-request.ts';
import { isLeft } from '../api/stop-change.ts';
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
  /** Growth from sample to sample. */
  readonly history: readonly number[];
}

const countersOf = (stats: StatsSnapshot): ReadonlyMap<string, number> =>
  new Map([...Object.entries(stats.vcpu), ...Object.entries(stats.vm)]);

export const useStatsStore = defineStore('stats', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const requests = latestRequest();
  const samples = shallowRef<readonly StatsSnapshot[]>([]);
  /** Host milliseconds of the last samples. */
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
      history: tables.slice(1).map((table, i) => (table.get(name) ?? 0) - (tables[i].get(name) ?? 0)),
    });
    const entries = <K extends string>(table: Readonly<Partial<Record<K, number>>>): [K, number][] =>
      Object.entries(table) as [K, number][];
    return [
      ...entries(now.vcpu).map(([name, value]) => row(name, 'vcpu', value)),
      ...entries(now.vm).map(([name, value]) => row(name, 'vm', value)),
    ];
  });
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
    times.value = [...times.value.slice(-1), performance.now()];
    const last = snapshot.value;
    const isNewStop = last && (next.moment.live !== last.moment.live || next.moment.epoch !== last.moment.epoch);
    if (last && isLeft(last.moment, next.moment)) baseline.value = last;
    // A reset machine has nothing to do with the samples before it.
    const kept = last && next.moment.insns < last.moment.insns ? [] : samples.value;
    if (last && !isNewStop && !next.moment.live) samples.value = [...kept.slice(0, -1), next];
    else samples.value = [...kept.slice(1 - SAMPLES), next];
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
    baseline.value = undefined;
  }

  return { samples, baseline, snapshot, error, rows, rates, pins, togglePin, speeds, mmioRates, refresh, reset };
});
