/** Lines of log breakpoints, on standard error as they are written: as many as somebody can want to read. */
import type { EngineSession } from './engine-session.ts';

const PIECE = 1000;
export const MAX_LOG_LINES = 10_000;

export class LogLines {
  readonly #engine: EngineSession;
  readonly #say: (line: string) => void;
  #next = 0;
  #said = 0;
  #unsaid = 0;

  constructor(engine: EngineSession, say: (line: string) => void) {
    this.#engine = engine;
    this.#say = say;
  }

  /** Says what is new. */
  drain(): void {
    for (;;) {
      const { total, missed, lines } = this.#engine.ask('breakpoints.log', { since: this.#next, limit: PIECE });
      // The machine began anew.
      if (total < this.#next) this.#next = 0;
      else this.#next += missed + lines.length;
      this.#unsaid += missed;
      for (const { insns, vcpu, breakpoint, text } of lines) {
        if (this.#said === MAX_LOG_LINES) this.#unsaid += 1;
        else {
          this.#said += 1;
          this.#say(`breakpoint ${breakpoint}, vCPU ${vcpu}, at ${insns}: ${text}`);
        }
      }
      if (lines.length < PIECE) return;
    }
  }

  conclude(): void {
    this.drain();
    if (this.#unsaid > 0) this.#say(`${this.#unsaid} more lines of log breakpoints are not shown.`);
  }
}
