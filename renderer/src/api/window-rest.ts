/** What a window does not need to be of use waits until it is: then the processors are free for it. */

const rest = Promise.withResolvers<void>();

/** The first panels have their data, and it is painted. */
export const windowAtRest = (): Promise<void> => rest.promise;

/** To be said once, when the window shows its machine. */
export function announceRest(): void {
  // Of the frame that paints it, and the one behind.
  requestAnimationFrame(() => requestAnimationFrame(() => rest.resolve()));
}
