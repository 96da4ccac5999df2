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

/** From one question to the next, in times what the page draws between them: it is left time for input. */
const BEAT_PER_DRAWING = 1.5;

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
  let drawingMs = 0;

  /** @returns how to leave */
  function join(follower: Follower): () => void {
    followers.add(follower);
    return () => void followers.delete(follower);
  }

  /**
   * The next question is sent when a frame begins that shows the last answer: the engine is asked while the page draws, and
   * neither waits for the other.
   */
  async function beat(): Promise<void> {
    isBeating = true;
    await nextFrame();
    for (let beats = 0; machine.isRunning; beats++) {
      const began = performance.now();
      const due = [...followers].filter(({ every }) => beats % every === 0);
      const told = machine.refreshStatus();
      for (const { ask } of due) void ask();
      // One message brings it with the others' answers. Who asks on behind it, for a log or a million sptes, holds up nobody.
      await told;
      await nextFrame();
      // An answer that came late does not make the next question late as well.
      const rest = began + Math.max(REST_MS, drawingMs * BEAT_PER_DRAWING) - performance.now();
      noteDrawing(performance.now());
      if (rest <= 0) continue;
      await sleep(rest);
      await nextFrame();
    }
    isBeating = false;
  }

  /** To be called when a frame begins: how long the page takes over it. */
  function noteDrawing(frame: number): void {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      drawingMs = performance.now() - frame;
      port1.close();
    };
    port2.postMessage(undefined);
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
