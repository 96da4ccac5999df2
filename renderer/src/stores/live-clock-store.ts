/**
 * The beat in which the window follows a running guest. Everything on screen is asked for in the same turn, so that one message
 * brings all of it and one frame shows it. A beat begins with a frame: when the last one is not painted yet the next waits, and
 * a window that nobody sees, which gets no frames, asks nothing.
 */
import { defineStore } from 'pinia';
import { watch } from 'vue';
import { useMachineStore } from './machine-store.ts';

export const LIVE_HERTZ = 30;
/** The beat falls on the first frame after so long: half a frame of 60 a second before it is due. */
const REST_MS = 1000 / LIVE_HERTZ - 8;

/**
 * Who draws by software, on the processors that run the guest, draws less often: so many times as long as a frame takes the
 * window leaves the processors alone.
 */
const RESTS_PER_DRAWING = 8;

export interface Follower {
  /** Beats from one question to the next. */
  readonly every: number;
  readonly ask: () => Promise<unknown>;
}

const nextFrame = (): Promise<number> =>
  new Promise((resolve) => requestAnimationFrame(() => resolve(performance.now())));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const useLiveClockStore = defineStore('live-clock', () => {
  const machine = useMachineStore();
  const followers = new Set<Follower>();
  let isBeating = false;

  /** @returns how to leave */
  function join(follower: Follower): () => void {
    followers.add(follower);
    return () => void followers.delete(follower);
  }

  async function beat(): Promise<void> {
    isBeating = true;
    for (let beats = 0; machine.isRunning; beats++) {
      const began = await nextFrame();
      if (!machine.isRunning) break;
      const due = [...followers].filter(({ every }) => beats % every === 0);
      await Promise.all([machine.refreshStatus(), ...due.map(({ ask }) => ask())]);
      const frame = await nextFrame();
      await sleep(0);
      const drawing = performance.now() - frame;
      await sleep(Math.max(0, began + REST_MS - performance.now(), drawing * RESTS_PER_DRAWING));
    }
    isBeating = false;
  }

  watch(
    () => machine.isRunning,
    (isRunning) => {
      if (isRunning && !isBeating) void beat();
    },
    { immediate: true },
  );

  return { join };
});
