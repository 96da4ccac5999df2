/**
 * Lets only the newest of several overlapping requests for the same thing through: an answer that was overtaken says
 * nothing any more.
 */
export interface LatestRequest {
  /** Runs `ask`, which may find out whether anybody waits for it still; the value is undefined when another `run` has begun since. */
  run<T>(ask: (isNewest: () => boolean) => Promise<T>): Promise<T | undefined>;
  /** Whatever is under way is of no use any more. */
  forget(): void;
}

export function latestRequest(): LatestRequest {
  let newest = 0;
  return {
    async run(ask) {
      newest += 1;
      const mine = newest;
      const isNewest = (): boolean => mine === newest;
      const value = await ask(isNewest);
      return isNewest() ? value : undefined;
    },
    forget() {
      newest += 1;
    },
  };
}
