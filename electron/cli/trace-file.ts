/** --trace FILE: the trace ring written out while the guest runs, in ftrace's form. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { MAX_TRACE_EXPORT } from '../../core/protocol/requests.ts';
import type { EngineSession } from './engine-session.ts';
import { CliFailure } from './exit-status.ts';

const HEADER =
  '# tracer: nop\n#\n#           TASK-PID    CPU#    TIMESTAMP  FUNCTION\n#              | |       |          |         |\n';

export class TraceFile {
  readonly #fd: number;
  readonly #path: string;
  #next = 0;
  #missed = 0;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'w');
      writeSync(this.#fd, HEADER);
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Writes what has been traced since the last call. */
  drain(engine: EngineSession): void {
    for (;;) {
      const { next, missed, text } = engine.ask('trace.export', { since: this.#next, limit: MAX_TRACE_EXPORT });
      this.#next = next;
      this.#missed += missed;
      if (text === '') return;
      try {
        writeSync(this.#fd, text);
      } catch (error) {
        throw this.#failure(error);
      }
    }
  }

  /** @returns a sentence when something is missing from the file */
  close(): string | undefined {
    closeSync(this.#fd);
    if (this.#missed === 0) return undefined;
    return `${this.#path} lacks ${this.#missed} events: they came faster than they could be written.`;
  }

  #failure(error: unknown): CliFailure {
    return new CliFailure(`${this.#path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
