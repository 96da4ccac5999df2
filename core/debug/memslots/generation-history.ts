/** What happened to the memslots generation, in the order in which it happened. */
import type { GenerationEvent } from '../../protocol/snapshots.ts';

/** Older ones go: a guest of a script may change its slots for hours. */
const KEPT_EVENTS = 4096;

export class GenerationHistory {
  #events: GenerationEvent[] = [];

  record(event: GenerationEvent): void {
    this.#events.push(event);
    if (this.#events.length > 2 * KEPT_EVENTS) this.#events = this.#events.slice(-KEPT_EVENTS);
  }

  restore(events: readonly GenerationEvent[]): void {
    this.#events = [...events];
  }

  events(): readonly GenerationEvent[] {
    return this.#events.slice(-KEPT_EVENTS);
  }
}
