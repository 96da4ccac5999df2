/** What log breakpoints have written: the last lines, numbered since reset. */
import type { BreakpointLogLine } from '../../protocol/snapshots.ts';

export const KEPT_LOG_LINES = 4096;

export class BreakpointLogBook {
  #lines: BreakpointLogLine[] = [];
  #total = 0;

  get total(): number {
    return this.#total;
  }

  write(line: Omit<BreakpointLogLine, 'seq'>): void {
    this.#lines.push({ seq: this.#total, ...line });
    this.#total += 1;
    // In one go now and then, so that a line costs no shifting.
    if (this.#lines.length >= 2 * KEPT_LOG_LINES) this.#lines = this.#lines.slice(-KEPT_LOG_LINES);
  }

  read(since: number, limit: number): { readonly missed: number; readonly lines: readonly BreakpointLogLine[] } {
    const first = this.#total - Math.min(this.#lines.length, KEPT_LOG_LINES);
    const from = Math.max(since, first);
    const at = this.#lines.length - (this.#total - from);
    return {
      missed: Math.max(0, Math.min(first, this.#total) - since),
      lines: from >= this.#total ? [] : this.#lines.slice(at, at + limit),
    };
  }

  clear(): void {
    this.#lines = [];
    this.#total = 0;
  }
}
