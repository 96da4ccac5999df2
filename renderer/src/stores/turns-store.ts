/** Whatever changes the machine has its turn: it is done in the order in which it was asked for, however fast that was. */
import { defineStore } from 'pinia';
import { computed, ref } from 'vue';

export const useTurnsStore = defineStore('turns', () => {
  /** Acts that were asked for and have not come to their end. */
  const waiting = ref(0);
  let last: Promise<unknown> = Promise.resolve();

  /**
   * Does it behind everything that was asked before. To be taken where the user asks, never inside of another turn, which
   * would wait for itself.
   */
  async function take<T>(act: () => Promise<T>): Promise<T> {
    waiting.value += 1;
    const turn = last.then(act, act);
    last = turn;
    try {
      return await turn;
    } finally {
      waiting.value -= 1;
    }
  }

  /** Something is under way: what the window shows of the machine may not hold any more. */
  const isBusy = computed(() => waiting.value > 0);

  /** When all that was asked until now is done: whoever looks at what was edited looks behind it. */
  const settled = (): Promise<void> => take(async () => {});

  return { isBusy, take, settled };
});
