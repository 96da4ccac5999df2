/** --trace FILE: the trace ring written out while the guest runs, in ftrace's form. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { TraceWording } from '../../core/format/trace-text.ts';
import { MAX_TRACE_EXPORT } from '../../core/protocol/requests.ts';
import type { EngineSession } from './engine-session.ts';
import { CliFailure } from './exit-status.ts';

/** What every ftrace text begins with. */
const MARK = '# tracer: ';

/** The columns of the lines (print_func_help_header_irq of kernel/trace/trace.c), with the flags that ftraceLine prints. */
const COLUMNS =
  '#\n' +
  '#                              _-----=> irqs-off\n' +
  '#                             / _----=> need-resched\n' +
  '#                            | / _---=> hardirq/softirq\n' +
  '#                            || / _--=> preempt-depth\n' +
  '#                            ||| /     delay\n' +
  '#           TASK-PID   CPU#  ||||    TIMESTAMP  FUNCTION\n' +
  '#              | |       |   ||||       |         |\n';

/** The same without flags (print_func_help_header). */
const COLUMNS_NO_IRQ_INFO =
  '#\n' +
  '#           TASK-PID   CPU#      TIMESTAMP  FUNCTION\n' +
  '#              | |       |          |         |\n';

/** So wide that the final count fits where the first one stood. */
const COUNT_WIDTH = 60;
const countLine = (kept: number, written: number, cpus: number): string =>
  `# entries-in-buffer/entries-written: ${kept}/${written}   #P:${cpus}`.padEnd(COUNT_WIDTH);
const COUNT_AT = `${MARK}nop\n#\n`.length;
const header = (cpus: number, columns: string): string => `${MARK}nop\n#\n${countLine(0, 0, cpus)}\n${columns}`;

/** Of ftrace's trace_options, the one that changes the form of a line. */
export const TRACE_OPTIONS = ['irq-info', 'noirq-info'] as const;
export type TraceOption = (typeof TRACE_OPTIONS)[number];

/** How the events are written. */
export interface TraceForm {
  /** Whose words; by the machine's era when undefined. */
  readonly wording: TraceWording | undefined;
  /** Whether there is a column of flags, which some readers cannot do without and others not with. */
  readonly irqInfo: boolean;
}

export class TraceFile {
  readonly #fd: number;
  readonly #path: string;
  readonly #form: TraceForm;
  readonly #cpus: number;
  #next = 0;
  #missed = 0;
  #kept = 0;

  constructor(path: string, form: TraceForm, cpus: number) {
    this.#path = path;
    this.#form = form;
    this.#cpus = cpus;
    if (holdsSomethingElse(path)) {
      throw new CliFailure(`${path} exists and is no trace; name another file, or delete that one first.`);
    }
    try {
      this.#fd = openSync(path, 'w');
      writeSync(this.#fd, header(cpus, form.irqInfo ? COLUMNS : COLUMNS_NO_IRQ_INFO));
    } catch (error) {
      throw this.#failure(error);
    }
  }

  /** Writes what has been traced since the last call. */
  drain(engine: EngineSession): void {
    for (;;) {
      const { next, missed, text } = engine.ask('trace.export', {
        since: this.#next,
        limit: MAX_TRACE_EXPORT,
        ...this.#form,
      });
      this.#kept += next - this.#next - missed;
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
    writeSync(this.#fd, countLine(this.#kept, this.#kept + this.#missed, this.#cpus), COUNT_AT);
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
