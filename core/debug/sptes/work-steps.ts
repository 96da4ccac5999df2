/**
 * Long work in steps short enough that whoever drives them can stop between two and go on later, so that one request of a
 * million rows keeps no other waiting.
 */

/** Ends with what it is for; a step takes well under a millisecond. */
export type WorkSteps<T> = Generator<undefined, T, undefined>;

/** Until when one request may go on. */
export interface WorkClock {
  /** Host milliseconds. */
  now(): number;
  /** Infinity: until it is done. */
  readonly until: number;
}

/** @returns undefined when the time was over first; the same steps go on from there */
export function workOn<T>(steps: WorkSteps<T>, { now, until }: WorkClock): T | undefined {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (now() >= until) return undefined;
  }
}

/** All of it, at once. */
export const finish = <T>(steps: WorkSteps<T>): T => {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
};

const ROWS_A_STEP = 8192;

/** Calls `part` for [0, count) in parts. */
export function* inParts(count: number, part: (from: number, to: number) => void): WorkSteps<void> {
  for (let from = 0; from < count; from += ROWS_A_STEP) {
    part(from, Math.min(count, from + ROWS_A_STEP));
    yield;
  }
}

/** What was worked out of one thing, by key, and what is being worked out; the oldest of too many goes. */
export class WorkCache<T> {
  readonly #done = new Map<string, T>();
  readonly #begun = new Map<string, WorkSteps<T>>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns undefined when there was no time to finish it */
  get(key: string, begin: () => WorkSteps<T>, clock: WorkClock): T | undefined {
    const known = this.#done.get(key);
    if (known !== undefined) return known;
    const steps = this.#begun.get(key) ?? begin();
    const value = workOn(steps, clock);
    if (value === undefined) {
      keep(this.#begun, key, steps, this.#most);
    } else {
      this.#begun.delete(key);
      keep(this.#done, key, value, this.#most);
    }
    return value;
  }

  clear(): void {
    this.#done.clear();
    this.#begun.clear();
  }
}

function keep<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  const [oldest] = map.keys();
  if (oldest !== undefined && map.size >= most && !map.has(key)) map.delete(oldest);
  map.set(key, value);
}
