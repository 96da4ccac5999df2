/** The trace ring as lines of ftrace text, and which tracepoints are on. */
import type { Arena } from '../arena/arena.ts';
import {
  RING_HEAD,
  TRACE_ARGS,
  TRACE_EVENT,
  TRACE_FLAGS,
  TRACE_INSNS,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
  TRACE_VCPU,
} from '../arena/trace-layout.ts';
import { TRACEPOINTS, TRACE_MAX_ARGS } from '../base/tracepoints.ts';
import { traceText } from '../format/trace-text.ts';
import { setTraceEnabled, traceEnabled } from '../kvm/trace.ts';
import type { TraceLine, TraceSnapshot } from '../protocol/snapshots.ts';

/** @param since first running number wanted; @param limit at most so many lines, the oldest first */
export function readTrace(arena: Arena, since: number, limit: number): Omit<TraceSnapshot, 'moment'> {
  const { layout, f64 } = arena;
  const total = f64[(layout.trace + RING_HEAD) >> 3];
  const oldest = Math.max(0, total - layout.config.traceRecords);
  const first = Math.max(since, oldest);
  const lines: TraceLine[] = [];
  for (let seq = first; seq < Math.min(total, first + limit); seq++) lines.push(traceLine(arena, seq));
  return { total, missed: Math.max(0, Math.min(total, oldest) - since), lines };
}

/** The last lines there are. */
export function lastTraceLines(arena: Arena, count: number): readonly TraceLine[] {
  const total = arena.f64[(arena.layout.trace + RING_HEAD) >> 3];
  return readTrace(arena, Math.max(0, total - count), count).lines;
}

function traceLine(arena: Arena, seq: number): TraceLine {
  const { layout } = arena;
  const at = layout.trace + TRACE_RING_HEADER_BYTES + (seq % layout.config.traceRecords) * TRACE_RECORD_BYTES;
  const event = arena.u16[(at + TRACE_EVENT) >> 1];
  const vcpu = arena.u16[(at + TRACE_VCPU) >> 1];
  const insns = arena.f64[(at + TRACE_INSNS) >> 3];
  const args = Array.from({ length: TRACE_MAX_ARGS }, (_unused, i) => arena.u64[((at + TRACE_ARGS) >> 3) + i]);
  const idleMicroseconds = arena.u32[(at + TRACE_FLAGS) >> 2];
  return {
    seq,
    insns,
    vcpu,
    event: TRACEPOINTS.find(({ id }) => id === event)?.name ?? `event ${event}`,
    text: traceText({ event, vcpu, insns, idleMicroseconds, args }),
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
      names.some((name) => isMeant(name, spec)),
    );
  }
  return [];
}

function isMeant(name: string, spec: { readonly name: string; readonly system: string }): boolean {
  return name === '*' || name === spec.name || name === `${spec.system}:*` || name === `${spec.system}:${spec.name}`;
}
