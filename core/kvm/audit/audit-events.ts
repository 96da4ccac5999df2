/** The last records of the trace ring and the MMIO log that touched an spte, a frame or a page's role: how a finding came about. */
import type { Arena } from '../../arena/arena.ts';
import {
  MMIO_LOG_BYTES,
  MMIO_LOG_GPA,
  MMIO_LOG_INSNS,
  MMIO_LOG_OUTCOME,
  MMIO_LOG_RECORDS,
  MMIO_LOG_SPTE,
  MMIO_LOG_VCPU,
  RING_HEAD,
  TRACE_ARGS,
  TRACE_EVENT,
  TRACE_INSNS,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
  TRACE_VCPU,
} from '../../arena/trace-layout.ts';
import type { AuditEvent } from '../../base/audit-report.ts';
import { MMIO_OUTCOMES } from '../../base/mmio-outcomes.ts';
import { TRACE_MAX_ARGS, TRACEPOINTS, type TracepointSpec } from '../../base/tracepoints.ts';

/** What an event is looked for by. */
export interface AuditSubject {
  readonly sptep: number | undefined;
  readonly gfn: number | undefined;
}

const ADDRESS_FIELDS: readonly string[] = ['gpa', 'fault_address', 'gva', 'addr'];

function concerns(spec: TracepointSpec, args: readonly bigint[], { sptep, gfn }: AuditSubject): boolean {
  return spec.fields.some((field, i) => {
    if (field === 'sptep') return sptep !== undefined && args[i] === BigInt(sptep);
    if (gfn === undefined) return false;
    if (field === 'gfn') return args[i] === BigInt(gfn);
    return ADDRESS_FIELDS.includes(field) && args[i] !== 0n && args[i] >> 12n === BigInt(gfn);
  });
}

/** @returns at most `limit` of each ring, oldest first */
export function lastEvents(arena: Arena, subject: AuditSubject, limit: number): readonly AuditEvent[] {
  const events = [...lastTraceRecords(arena, subject, limit), ...lastMmioRecords(arena, subject, limit)];
  return events.sort((a, b) => a.insns - b.insns);
}

function lastTraceRecords(arena: Arena, subject: AuditSubject, limit: number): readonly AuditEvent[] {
  const { layout, u16, f64, u64 } = arena;
  const head = f64[(layout.trace + RING_HEAD) >> 3];
  const oldest = Math.max(0, head - layout.config.traceRecords);
  const found: AuditEvent[] = [];
  for (let seq = head - 1; seq >= oldest && found.length < limit; seq--) {
    const at = layout.trace + TRACE_RING_HEADER_BYTES + (seq % layout.config.traceRecords) * TRACE_RECORD_BYTES;
    const event = u16[(at + TRACE_EVENT) >> 1];
    const spec = TRACEPOINTS.find(({ id }) => id === event);
    if (spec === undefined) continue;
    const args = Array.from({ length: TRACE_MAX_ARGS }, (_, i) => u64[((at + TRACE_ARGS) >> 3) + i]);
    if (spec.system !== 'umbra' && !concerns(spec, args, subject)) continue;
    const fields = spec.fields.map((name, i) => [name, args[i]] as const);
    const { name } = spec;
    const vcpu = u16[(at + TRACE_VCPU) >> 1];
    found.push({ insns: f64[(at + TRACE_INSNS) >> 3], vcpu, name, event, args, fields });
  }
  return found.reverse();
}

function lastMmioRecords(arena: Arena, { gfn }: AuditSubject, limit: number): readonly AuditEvent[] {
  if (gfn === undefined) return [];
  const { layout, u8, f64, u64 } = arena;
  const head = f64[(layout.mmioLog + RING_HEAD) >> 3];
  const found: AuditEvent[] = [];
  for (let seq = head - 1; seq >= Math.max(0, head - MMIO_LOG_RECORDS) && found.length < limit; seq--) {
    const at = layout.mmioLog + TRACE_RING_HEADER_BYTES + (seq % MMIO_LOG_RECORDS) * MMIO_LOG_BYTES;
    const gpa = u64[(at + MMIO_LOG_GPA) >> 3];
    if (gpa >> 12n !== BigInt(gfn)) continue;
    found.push({
      insns: f64[(at + MMIO_LOG_INSNS) >> 3],
      vcpu: u8[at + MMIO_LOG_VCPU],
      name: 'mmio-log',
      event: 0,
      args: [],
      fields: [
        ['gpa', gpa],
        ['outcome', MMIO_OUTCOMES[u8[at + MMIO_LOG_OUTCOME]] ?? '?'],
        ['spte', u64[(at + MMIO_LOG_SPTE) >> 3]],
      ],
    });
  }
  return found.reverse();
}
