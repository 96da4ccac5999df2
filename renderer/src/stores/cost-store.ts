/** The measurement of what a memslot change costs on this machine. */
import type { CostPoint, CostState } from '@core/protocol/index.ts';
import { csvText } from '@core/format/csv-text.ts';
import { defineStore } from 'pinia';
import { computed, shallowRef } from 'vue';
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
  /** Makes a picture of the chart while there is one. */
  const picture = shallowRef<() => Promise<Uint8Array | undefined>>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const isRunning = computed(() => state.value.kind === 'running');
  const points = computed<readonly CostPoint[]>(() => {
    if (state.value.kind === 'running') return state.value.progress.points;
    return state.value.kind === 'idle' ? [] : state.value.points;
  });
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
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      take({ kind: 'failed', message, points: points.value });
    }
  }

  const poll = (): Promise<void> => guarded(desktop.costState);
  const start = (): Promise<void> => guarded(desktop.startCost);
  const cancel = (): Promise<void> => guarded(desktop.cancelCost);

  const exportCsv = (): Promise<boolean> =>
    desktop.saveFile(
      'memslot-cost',
      'csv',
      new TextEncoder().encode(
        csvText(
          ['mmio_sptes', 'era', 'microseconds_median', 'samples'],
          points.value.map(({ sptes, era, microseconds, samples }) => [sptes, era, microseconds.toFixed(3), samples]),
        ),
      ),
    );

  async function exportPng(): Promise<boolean> {
    const bytes = await picture.value?.();
    return bytes === undefined ? false : desktop.saveFile('memslot-cost', 'png', bytes);
  }

  return { state, picture, isRunning, points, rows, poll, start, cancel, exportCsv, exportPng };
});
