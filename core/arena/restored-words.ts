/** Words of an arena that came out of a file, each checked against what it may be before anything works with them. */
import { refuseUnless } from '../base/restore-refused.ts';
import type { Arena } from './arena.ts';

export class RestoredWords {
  readonly arena: Arena;
  readonly start: number;
  readonly #owner: string;

  /**
   * @param start byte offset that the offsets of the checks count from
   * @param owner whose words they are, for the sentence
   */
  constructor(arena: Arena, start: number, owner: string) {
    this.arena = arena;
    this.start = start;
    this.#owner = owner;
  }

  /** An int32 between two values, both allowed. */
  int(offset: number, low: number, high: number, name: string): number {
    const value = this.arena.i32[(this.start + offset) >> 2];
    refuseUnless(value >= low && value <= high, `${this.#owner}: ${name} is ${value}.`);
    return value;
  }

  /** A double that is a whole number between two values, both allowed. */
  whole(offset: number, low: number, high: number, name: string): number {
    const value = this.arena.f64[(this.start + offset) >> 3];
    const fits = Number.isInteger(value) && value >= low && value <= high;
    refuseUnless(fits, `${this.#owner}: ${name} is ${value}.`);
    return value;
  }

  /** The same for each of a row of doubles. */
  wholes(offset: number, count: number, low: number, high: number, name: string): void {
    for (let n = 0; n < count; n++) this.whole(offset + 8 * n, low, high, `${name} ${n}`);
  }

  /** @param text what is wrong, when the condition does not hold */
  require(condition: boolean, text: string): void {
    refuseUnless(condition, `${this.#owner}: ${text}.`);
  }
}
