/** How fast a count grows in host time, over the last while. Plain state of the debugger: not part of the machine. */

const WINDOW_MS = 1000;

export class RateMeter {
  readonly #times: number[] = [];
  readonly #counts: number[] = [];

  /** @param now host milliseconds; the caller asks a few times a frame at most */
  sample(now: number, count: number): void {
    this.#times.push(now);
    this.#counts.push(count);
    while (this.#times.length > 2 && now - this.#times[1] >= WINDOW_MS) {
      this.#times.shift();
      this.#counts.shift();
    }
  }

  perSecond(): number {
    const last = this.#times.length - 1;
    if (last < 1) return 0;
    const elapsed = this.#times[last] - this.#times[0];
    return elapsed <= 0 ? 0 : ((this.#counts[last] - this.#counts[0]) * 1000) / elapsed;
  }

  reset(): void {
    this.#times.length = 0;
    this.#counts.length = 0;
  }
}
