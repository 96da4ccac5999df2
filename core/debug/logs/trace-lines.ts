/** The trace ring as lines of ftrace text, and which tracepoints are on. */
import type { Arena } from '../../arena/arena.ts';
import {
  RING_HEAD,
  TRACE_ARGS,
  TRACE_EVENT,
  TRACE_FLAGS,
  TRACE_INSNS,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
  TRACE_VCPU,
} from '../../arena/trace-layout.ts';
import { TRACEPOINTS, TRACE_MAX_ARGS, type TracepointSpec } from '../../base/tracepoints.ts';
import { ftraceLine, traceEventName, traceText, type TraceEvent, type TraceWording } from '../../format/trace-text.ts';
import { eraOf } from '../../kvm/eras.ts';
import { setTraceEnabled, traceEnabled } from '../../kvm/trace/trace.ts';
import type { TraceExport, TraceLine, TraceSnapshot } from '../../protocol/snapshots.ts';

interface RecordWindow {
  readonly total: number;
  readonly missed: number;
  readonly first: number;
  readonly end: number;
}

/** @param since first running number wanted; @param limit at most so many, the oldest first */
function windowOf(arena: Arena, since: number, limit: number): RecordWindow {
  const total = arena.f64[(arena.layout.trace + RING_HEAD) >> 3];
  const oldest = Math.max(0, total - arena.layout.config.traceRecords);
  const first = Math.max(since, oldest);
  return { total, missed: Math.max(0, oldest - since), first, end: Math.max(first, Math.min(total, first + limit)) };
}

/** Whose words a machine of that era prints unless told. */
export const wordingOf = (arena: Arena): TraceWording => (eraOf(arena) === 'v6.8' ? 'modern' : '3.11');

export function readTrace(
  arena: Arena,
  since: number,
  limit: number,
  wording: TraceWording = wordingOf(arena),
): Omit<TraceSnapshot, 'moment'> {
  const { total, missed, first, end } = windowOf(arena, since, limit);
  const lines: TraceLine[] = [];
  for (let seq = first; seq < end; seq++) {
    const record = readRecord(arena, seq);
    const { event, vcpu, insns, args } = record;
    lines.push({
      seq,
      insns,
      vcpu,
      event: traceEventName(event, wording),
      text: traceText(event, args, wording, vcpu),
    });
  }
  return { total, missed, lines };
}

/** The same as a real host's ftrace prints it. */
export function exportTrace(
  arena: Arena,
  since: number,
  limit: number,
  wording: TraceWording = wordingOf(arena),
  irqInfo = true,
): TraceExport {
  const { missed, first, end } = windowOf(arena, since, limit);
  let text = '';
  for (let seq = first; seq < end; seq++) text += `${ftraceLine(readRecord(arena, seq), wording, irqInfo)}\n`;
  return { next: end, missed, text };
}

/** The last lines there are, in ftrace's form. */
export function lastTraceLines(arena: Arena, count: number): readonly string[] {
  const total = arena.f64[(arena.layout.trace + RING_HEAD) >> 3];
  return exportTrace(arena, Math.max(0, total - count), count)
    .text.split('\n')
    .slice(0, -1);
}

function readRecord(arena: Arena, seq: number): TraceEvent {
  const { layout } = arena;
  const at = layout.trace + TRACE_RING_HEADER_BYTES + (seq % layout.config.traceRecords) * TRACE_RECORD_BYTES;
  return {
    event: arena.u16[(at + TRACE_EVENT) >> 1],
    vcpu: arena.u16[(at + TRACE_VCPU) >> 1],
    insns: arena.f64[(at + TRACE_INSNS) >> 3],
    idleMicroseconds: arena.u32[(at + TRACE_FLAGS) >> 2],
    args: Array.from({ length: TRACE_MAX_ARGS }, (_unused, i) => arena.u64[((at + TRACE_ARGS) >> 3) + i]),
  };
}

export const enabledEvents = (arena: Arena): readonly string[] =>
  TRACEPOINTS.filter(({ id }) => traceEnabled(arena, id)).map(({ name }) => name);

/**
 * Turns on exactly the tracepoints that are named: `name`, `system:name`, `system:*` or `*`.
 * @returns the names that name nothing; then nothing has changed
 */
export function enableEvents(arena: Arena, names: readonly string[]): readonly string[] {
  const unknown = names.filter((name) => !TRACEPOINTS.some((spec) => isMeant(name, spec)));
  if (unknown.length > 0) return unknown;
  for (const spec of TRACEPOINTS) {
    setTraceEnabled(
      arena,
      spec.id,
      names.some((name) => isMeant(name, spec) && (!isPattern(name) || exists(spec, wordingOf(arena)))),
    );
  }
  return [];
}

/** A pattern means the events that the kernel of the era has; by name every event can be had. */
const isPattern = (name: string): boolean => name.endsWith('*');
const exists = ({ modernOnly, oldOnly }: TracepointSpec, wording: TraceWording): boolean =>
  wording === 'modern' ? oldOnly !== true : modernOnly !== true;

function isMeant(name: string, spec: TracepointSpec): boolean {
  return (
    name === '*' ||
    name === spec.name ||
    name === spec.modernName ||
    name === `${spec.system}:*` ||
    name === `${spec.system}:${spec.name}`
  );
}
