/** Whether the first stroke of a key of two has been pressed, and the second is waited for. */
import { defineStore } from 'pinia';
import { ref } from 'vue';

/** Whoever knows the second stroke has pressed it by then; others are shown what there is. */
const HESITATION_MS = 600;
/** Nobody who has forgotten it should find that the next key means something else. */
const PATIENCE_MS = 10_000;

export const useChordStore = defineStore('chord', () => {
  const isBegun = ref(false);
  const isHesitating = ref(false);
  let timers: ReturnType<typeof setTimeout>[] = [];

  function end(): void {
    for (const timer of timers) clearTimeout(timer);
    timers = [];
    isBegun.value = false;
    isHesitating.value = false;
  }

  function begin(): void {
    end();
    isBegun.value = true;
    timers = [setTimeout(() => (isHesitating.value = true), HESITATION_MS), setTimeout(end, PATIENCE_MS)];
  }

  return { isBegun, isHesitating, begin, end };
});
