/** The tour of five steps: where somebody is in it, and whether it was dismissed for good. */
import { DEMO_GUEST } from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import type { PanelKind } from '../layout/panel-kinds.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useLayoutStore } from './layout-store.ts';
import { useMachineStore } from './machine-store.ts';

export interface TourStep {
  readonly text: string;
  readonly panel: PanelKind;
}

const STORAGE_KEY = 'umbra.tour';

/**
 * The outcome is EMULATE so that the machine stands in front of an access that looks at the spte: between them the kernel of the
 * demo's era answers from the vCPU's MMIO cache, whatever the memslots have become (56f17dd3fbc4).
 */
export const TOUR_STEPS: readonly TourStep[] = [
  {
    panel: 'breakpoints',
    text: 'Add a breakpoint on MMIO faults of gpa 0xe0000000, which the demo guest polls: outcome EMULATE.',
  },
  {
    panel: 'sptes',
    text: 'Run (F5): it stops in front of an access to an MMIO spte, whose generation is the current one.',
  },
  {
    panel: 'memslots',
    text: 'Make a memslot over the page (New slot). The preview says what it costs before you apply it.',
  },
  { panel: 'sptes', text: 'Apply it (Ctrl+Enter): one number grows by one, and every MMIO spte turns stale.' },
  { panel: 'mmio', text: 'Run on (F5): the access finds the spte stale (INVALID), and reaches RAM.' },
];

export const useTourStore = defineStore('tour', () => {
  const desktop = useDesktopStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const step = ref(0);
  const isDismissed = ref(localStorage.getItem(STORAGE_KEY) === 'dismissed');
  const current = computed(() => TOUR_STEPS[step.value]);
  /** Its steps are of no use with another guest. */
  const isHere = computed(() => !machine.hasMachine || machine.status?.image === DEMO_GUEST);
  const loadDemo = async (): Promise<boolean> => machine.load(await desktop.readGuest(DEMO_GUEST), {});
  const isLast = computed(() => step.value === TOUR_STEPS.length - 1);

  /** The panel that the step is about. */
  const show = (): unknown => layout.open(current.value.panel);

  function move(distance: number): void {
    step.value = Math.min(TOUR_STEPS.length - 1, Math.max(0, step.value + distance));
    show();
  }

  function dismiss(): void {
    isDismissed.value = true;
    localStorage.setItem(STORAGE_KEY, 'dismissed');
  }

  function restart(): void {
    localStorage.removeItem(STORAGE_KEY);
    isDismissed.value = false;
    step.value = 0;
    show();
  }

  return { step, isDismissed, current, isLast, isHere, loadDemo, show, move, dismiss, restart };
});
