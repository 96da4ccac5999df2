/** The one tooltip that can be open: the meaning of a number. */
import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import { latestRequest } from '../api/latest-request.ts';
import type { LinkedNumber } from '../layout/linked-number.ts';
import { useNumberHintsStore } from './number-hints-store.ts';

export interface Tip {
  readonly x: number;
  readonly y: number;
  readonly lines: readonly string[];
}

/** Milliseconds of rest before it opens. */
const DELAY = 350;

export const useTipStore = defineStore('tip', () => {
  const hints = useNumberHintsStore();
  const requests = latestRequest();
  const tip = shallowRef<Tip>();
  /** The link that it describes, for its `aria-describedby`. */
  const owner = ref<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  function show(id: string, element: Element, number: LinkedNumber): void {
    clearTimeout(timer);
    timer = setTimeout(() => void open(id, element, number), DELAY);
  }

  async function open(id: string, element: Element, number: LinkedNumber): Promise<void> {
    const lines = await requests.run(() => hints.describe(number));
    if (lines === undefined || !element.isConnected) return;
    const { left, bottom } = element.getBoundingClientRect();
    owner.value = id;
    tip.value = { x: left, y: bottom + 4, lines: lines.filter((line) => line !== '') };
  }

  function hide(): void {
    clearTimeout(timer);
    // Whatever is still being asked for comes too late.
    void requests.run(async () => undefined);
    owner.value = undefined;
    tip.value = undefined;
  }

  return { tip, owner, show, hide };
});
