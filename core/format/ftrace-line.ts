/**
 * One line of an ftrace text: what the kernel's `trace` file holds (print_trace_fmt of kernel/trace/trace_output.c), with and
 * without the column of flags, and what `trace-cmd report` and `perf script` print. The text is hostile: the pattern is linear.
 */

export interface FtraceLine {
  /** `qemu-system-x86`, `CPU 0/KVM`. */
  readonly task: string;
  readonly pid: number;
  /** The host's processor. */
  readonly cpu: number;
  /** As it is written: seconds and a fraction, or the ticks of a counter. */
  readonly time: string;
  /** Without the system: `kvm_mmio`. */
  readonly event: string;
  readonly text: string;
  /** Where the event's name begins. */
  readonly eventAt: number;
}

/** TASK_COMM_LEN is 16 with the NUL; some tools pad. An id of the thread group in parentheses, flags of latency: either may be missing. */
const LINE =
  /^ {0,24}(\S.{0,23}?)(?:-| {1,16})(\d{1,10}) {1,12}(?:\( {0,8}[-\d]{1,8}\) {1,8})?\[(\d{1,5})\] {1,8}(?:[-.#A-Za-z0-9*]{1,8} {1,16})?(\d{1,20}(?:\.\d{1,9})?): {1,16}(?:([a-z]\w{0,47}):)?([A-Za-z_]\w{0,63}):(?: {0,40}(.*))?$/;

export function parseFtraceLine(line: string): FtraceLine | undefined {
  const match = LINE.exec(line);
  if (match === null) return undefined;
  const [, task, pid, cpu, time, , event, text = ''] = match;
  // The time is the first thing with a colon behind the processor; the name stands behind it.
  const behind = line.indexOf(`${time}:`, line.indexOf('[')) + time.length + 1;
  const eventAt = line.indexOf(`${event}:`, behind);
  return { task, pid: Number(pid), cpu: Number(cpu), time, event, text, eventAt };
}

/** What a text of ftrace holds beside events. */
export type FtraceAside =
  /** A comment, a header of trace-cmd, a line of a stack. */
  | { readonly kind: 'skipped' }
  | { readonly kind: 'lost'; readonly events: number }
  /** Of another tracer, whose lines are no events. */
  | { readonly kind: 'other-tracer'; readonly tracer: string };

const LOST = /^CPU:\d{1,5} \[LOST (?:(\d{1,15}) )?EVENTS\]$/;
const TRACER = /^# tracer: (\w{1,40})/;
const HEADER = /^(?:#.*|\s*|cpus=\d+|version = \d+|CPU \d+ is empty|trace-cmd .*|\s*=> .*|.*<stack trace>\s*)$/;

/** @returns undefined for a line that is none of these */
export function asideOf(line: string): FtraceAside | undefined {
  const lost = LOST.exec(line);
  if (lost !== null) return { kind: 'lost', events: Number(lost[1] ?? 1) };
  const tracer = TRACER.exec(line)?.[1];
  if (tracer !== undefined && tracer !== 'nop') return { kind: 'other-tracer', tracer };
  return HEADER.test(line) ? { kind: 'skipped' } : undefined;
}
