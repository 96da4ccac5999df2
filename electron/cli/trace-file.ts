/** --trace FILE: the trace ring written out while the guest runs, in ftrace's form. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { MAX_TRACE_EXPORT } from '../../core/protocol/requests.ts';
import type { EngineSession } from './engine-session.ts';
import { CliFailure } from './exit-status.ts';

/** What every ftrace text begins with. */
const MARK = '# tracer: ';
const HEADER =
  `${MARK}nop\n` +
  '#\n#           TASK-PID    CPU#    TIMESTAMP  FUNCTION\n#              | |       |          |         |\n';

export class TraceFile {
  readonly #fd: number;
  readonly #path: string;
  #next = 0;
  #missed = 0;

  constructor(path: string) {
    this.#path = path;
    if (holdsSomethingElse(path)) {
      throw new CliFailure(`${path} exists and is no trace; name another file, or delete that one first.`);
    }
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

/** An earlier trace may be overwritten. Anything else, the image or the script among it, was not meant. */
function holdsSomethingElse(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    // What is wrong with it, opening it for writing will say.
    return false;
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile() || status.size === 0) return false;
    const start = Buffer.alloc(MARK.length);
    readSync(fd, start, 0, start.length, 0);
    return start.toString('latin1') !== MARK;
  } finally {
    closeSync(fd);
  }
}
