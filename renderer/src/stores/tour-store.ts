/** The tour of five steps: where somebody is in it, and whether it was dismissed for good. */
import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import type { PanelKind } from '../layout/panel-kinds.ts';
import { useLayoutStore } from './layout-store.ts';

export interface TourStep {
  readonly text: string;
  readonly panel: PanelKind;
}

const STORAGE_KEY = 'umbra.tour';

export const TOUR_STEPS: readonly TourStep[] = [
  {
    panel: 'breakpoints',
    text: 'Add a breakpoint on MMIO faults of gpa 0xe0000000, the page that the demo guest polls.',
  },
  {
    panel: 'sptes',
    text: 'Run (F5) until it stops with an MMIO spte: its generation stands beside the current one.',
  },
  {
    panel: 'memslots',
    text: 'Make a memslot over the page (New slot). The preview says what it costs before you apply it.',
  },
  { panel: 'sptes', text: 'Apply it: one number grew by one, and every MMIO spte has turned stale.' },
  { panel: 'mmio', text: 'Run on: the next access finds the stale spte (INVALID), and reaches RAM.' },
];

export const useTourStore = defineStore('tour', () => {
  const layout = useLayoutStore();
  const step = ref(0);
  const isDismissed = ref(localStorage.getItem(STORAGE_KEY) === 'dismissed');
  const current = computed(() => TOUR_STEPS[step.value]);

  function move(distance: number): void {
    step.value = Math.min(TOUR_STEPS.length - 1, Math.max(0, step.value + distance));
    layout.open(current.value.panel);
  }

  function dismiss(): void {
    isDismissed.value = true;
    localStorage.setItem(STORAGE_KEY, 'dismissed');
  }

  function restart(): void {
    localStorage.removeItem(STORAGE_KEY);
    isDismissed.value = false;
    step.value = 0;
    layout.open(current.value.panel);
  }

  return { step, isDismissed, current, move, dismiss, restart };
});
