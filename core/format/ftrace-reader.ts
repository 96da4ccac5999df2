/**
 * An ftrace text, read piece by piece as it comes from a file. Nobody vouches for the file: lines, events and bytes are bounded,
 * and what is no such text is refused with the number of the line that shows it.
 */
import { latin1Text } from '../base/latin1.ts';
import { err, ok, type Result } from '../base/result.ts';
import { MAX_TRACE_FILE_BYTES, MAX_TRACE_FILE_EVENTS, type TraceFile } from '../protocol/trace-file.ts';
import { asideOf, parseFtraceLine } from './ftrace-line.ts';

/** Longer than any print of the kernel's: a trace_seq is a page, and so is what one event may say. */
const MAX_LINE = 4200;
const SHOWN = 80;
const EXAMPLE = 'qemu-system-x86-1000  [000] ....  1.000001: kvm_mmio: mmio read len 4 gpa 0xfeb00000 val 0x0';
/** trace.dat begins so (trace-cmd.dat(5)). */
const TRACE_DAT = '\x17\x08Dtracing';

export type TraceFileParts = Omit<TraceFile, 'path'>;

export class FtraceReader {
  readonly #maxBytes: number;
  readonly #maxEvents: number;
  readonly #starts: number[] = [0];
  readonly #lines: number[] = [];
  readonly #eventAt: number[] = [];
  /** Lines of events, joined now and then: a long string of ten thousands of additions is slow to look into. */
  #texts: string[] = [];
  #length = 0;
  #bytes = 0;
  #line = 0;
  #rest = '';
  #lost = 0;
  #isCut = false;
  #refusal: string | undefined;

  constructor(limits: { readonly bytes?: number; readonly events?: number } = {}) {
    this.#maxBytes = limits.bytes ?? MAX_TRACE_FILE_BYTES;
    this.#maxEvents = limits.events ?? MAX_TRACE_FILE_EVENTS;
  }

  /** @returns whether more is wanted; not when the text is refused, or when there is enough of it */
  push(bytes: Uint8Array): boolean {
    if (this.#refusal !== undefined || this.#isCut) return false;
    const room = this.#maxBytes - this.#bytes;
    const taken = bytes.subarray(0, room);
    this.#bytes += taken.length;
    if (this.#bytes === taken.length && latin1Text(taken.subarray(0, TRACE_DAT.length)) === TRACE_DAT) {
      return this.#refuse(1, 'is a binary trace of trace-cmd; `trace-cmd report` makes a text of it');
    }
    // One character a byte: names of tasks may be in any encoding.
    this.#rest += latin1Text(taken);
    this.#takeLines();
    if (bytes.length > room) this.#isCut = true;
    return this.#refusal === undefined && !this.#isCut;
  }

  /** The end of the file. The error is a sentence's end that names the line: `line 3 is …`. */
  end(): Result<TraceFileParts, string> {
    // Of a file that goes on, the last line is a part of one.
    if (this.#refusal === undefined && !this.#isCut && this.#rest !== '') this.#takeLine(this.#rest);
    if (this.#refusal !== undefined) return err(this.#refusal);
    if (this.#lines.length === 0) {
      return err(this.#line === 0 ? 'it is empty' : `none of its ${this.#line} lines is an event`);
    }
    return ok({
      text: this.#texts.join(''),
      starts: Uint32Array.from(this.#starts),
      lines: Uint32Array.from(this.#lines),
      eventAt: Uint16Array.from(this.#eventAt),
      lost: this.#lost,
      isCut: this.#isCut,
    });
  }

  #takeLines(): void {
    let from = 0;
    for (;;) {
      const end = this.#rest.indexOf('\n', from);
      if (end < 0) break;
      this.#takeLine(this.#rest.slice(from, end));
      if (this.#refusal !== undefined || this.#isCut) return;
      from = end + 1;
    }
    this.#rest = this.#rest.slice(from);
    if (this.#rest.length > MAX_LINE) this.#refuse(this.#line + 1, tooLong);
  }

  #takeLine(raw: string): void {
    this.#line += 1;
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line.length > MAX_LINE) return void this.#refuse(this.#line, tooLong);
    const odd = unprintable(line);
    if (odd !== undefined) return void this.#refuse(this.#line, `holds the byte 0x${odd}, so it is no text`);
    const event = parseFtraceLine(line);
    if (event === undefined) return this.#takeAside(line);
    if (this.#lines.length === this.#maxEvents) {
      this.#isCut = true;
      return;
    }
    this.#lines.push(this.#line);
    this.#eventAt.push(event.eventAt);
    this.#texts.push(`${line}\n`);
    this.#length += line.length + 1;
    this.#starts.push(this.#length);
  }

  #takeAside(line: string): void {
    const aside = asideOf(line);
    if (aside?.kind === 'lost') this.#lost += aside.events;
    else if (aside?.kind === 'other-tracer') {
      this.#refuse(this.#line, `says that the tracer is ${aside.tracer}: only events can be read (tracer: nop)`);
    } else if (aside === undefined) {
      const shown = line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line;
      this.#refuse(this.#line, `is no line of an ftrace text: “${shown.trim()}”. One looks like this: ${EXAMPLE}`);
    }
  }

  #refuse(line: number, why: string): false {
    this.#refusal = `line ${line} ${why}`;
    return false;
  }
}

const tooLong = `is longer than ${MAX_LINE} characters, as no line of an ftrace text is`;

/** The first byte that no text has, in hexadecimal. Tabs are fine. */
function unprintable(line: string): string | undefined {
  for (let i = 0; i < line.length; i += 1) {
    const code = line.charCodeAt(i);
    if (code < 0x20 && code !== 9) return code.toString(16).padStart(2, '0');
  }
  return undefined;
}
