/** The measurement of what a memslot change costs on this machine. */
import type { CostPoint, CostSetting, CostState } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
import type { MmuMode } from '../api/contract-words.ts';
import { costPicture } from '../cost-chart/cost-picture.ts';
import { costCsv } from '../cost-chart/cost-words.ts';
import { useDesktopStore } from './desktop-store.ts';

const POLL_MS = 250;

export interface CostRow {
  readonly sptes: number;
  readonly patch: number | undefined;
  readonly walk: number | undefined;
}

export const useCostStore = defineStore('cost', () => {
  const desktop = useDesktopStore();
  const state = shallowRef<CostState>({ kind: 'idle' });
  /** Of the machines that will be measured next. */
  const mmu = shallowRef<MmuMode>('ept');
  /** Why the host could not be asked. */
  const failure = shallowRef<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isRunning = computed(() => state.value.kind === 'running');
  const points = computed<readonly CostPoint[]>(() => {
    if (state.value.kind === 'running') return state.value.progress.points;
    return state.value.kind === 'idle' ? [] : state.value.points;
  });
  /** What the points were measured with. */
  const setting = computed<CostSetting | undefined>(() =>
    state.value.kind === 'idle' ? undefined : state.value.setting,
  );
  const rows = computed<readonly CostRow[]>(() => {
    const of = (era: CostPoint['era'], sptes: number): number | undefined =>
      points.value.find((point) => point.era === era && point.sptes === sptes)?.microseconds;
    return [...new Set(points.value.map(({ sptes }) => sptes))]
      .toSorted((a, b) => a - b)
      .map((sptes) => ({ sptes, patch: of('patch', sptes), walk: of('v3.10', sptes) }));
  });

  function take(next: CostState): void {
    state.value = next;
    clearTimeout(timer);
    if (next.kind === 'running') timer = setTimeout(() => void poll(), POLL_MS);
  }

  async function guarded(ask: () => Promise<CostState>): Promise<void> {
    try {
      take(await ask());
      failure.value = undefined;
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      failure.value = message;
    }
  }

  const poll = (): Promise<void> => guarded(desktop.costState);
  const start = (): Promise<void> => guarded(() => desktop.startCost(mmu.value));
  const cancel = (): Promise<void> => guarded(desktop.cancelCost);

  async function exportCsv(): Promise<boolean> {
    if (setting.value === undefined) return false;
    return desktop.saveFile('memslot-cost', 'csv', new TextEncoder().encode(costCsv(setting.value, points.value)));
  }

  async function exportPng(): Promise<boolean> {
    const bytes = setting.value && (await costPicture(setting.value, points.value));
    return bytes === undefined ? false : desktop.saveFile('memslot-cost', 'png', bytes);
  }

  return { state, failure, mmu, setting, isRunning, points, rows, poll, start, cancel, exportCsv, exportPng };
});
