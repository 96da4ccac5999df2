/**
 * Lets only the newest of several overlapping requests for the same thing through: an answer that was overtaken says
 * nothing any more.
 */
export interface LatestRequest {
  /** Runs `ask`; the value is undefined when another `run` has begun since. */
  run<T>(ask: () => Promise<T>): Promise<T | undefined>;
  /** Whatever is under way is of no use any more. */
  forget(): void;
}

export function latestRequest(): LatestRequest {
  let newest = 0;
  return {
    async run(ask) {
      newest += 1;
      const mine = newest;
      const value = await ask();
      return mine === newest ? value : undefined;
    },
    forget() {
      newest += 1;
    },
  };
}
