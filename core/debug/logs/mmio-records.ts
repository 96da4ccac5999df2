/** The MMIO fault log and the heat table of the arena, as snapshots. */
import type { Arena } from '../../arena/arena.ts';
import {
  HEAT_COUNT,
  HEAT_GFN,
  HEAT_INVALID,
  HEAT_OVERFLOW,
  HEAT_WRITES,
  MMIO_HEAT_BUCKETS,
  MMIO_HEAT_BYTES,
  MMIO_LOG_ACCESS,
  MMIO_LOG_BYTES,
  MMIO_LOG_CLAIM,
  MMIO_LOG_DEVICE,
  MMIO_LOG_GPA,
  MMIO_LOG_GVA,
  MMIO_LOG_INSNS,
  MMIO_LOG_KVM_GEN,
  MMIO_LOG_OUTCOME,
  MMIO_LOG_RECORDS,
  MMIO_LOG_RIP,
  MMIO_LOG_SIZE,
  MMIO_LOG_SPTE,
  MMIO_LOG_SPTE_GEN,
  MMIO_LOG_VALUE,
  MMIO_LOG_VCPU,
  RING_HEAD,
  TRACE_RING_HEADER_BYTES,
} from '../../arena/trace-layout.ts';
import { MMIO_OUTCOMES } from '../../base/mmio-outcomes.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
import type { MmioFaultRecord, MmioHeat, MmioLogSnapshot, MmioTimeline } from '../../protocol/snapshots.ts';

const ACCESS_KINDS: readonly AccessKind[] = ['read', 'write', 'fetch'];
const CLAIMS: readonly MmioFaultRecord['claim'][] = ['none', 'device', 'unsatisfied'];

export type DeviceNamer = (number: number) => string | undefined;

/** Faults ever logged. */
export const mmioFaultCount = (arena: Arena): number => arena.f64[(arena.layout.mmioLog + RING_HEAD) >> 3];

/** @param since first running number wanted; @param limit at most so many records, the oldest first */
export function readMmioLog(
  arena: Arena,
  since: number,
  limit: number,
  deviceName: DeviceNamer,
): Omit<MmioLogSnapshot, 'moment'> {
  const total = mmioFaultCount(arena);
  const oldest = Math.max(0, total - MMIO_LOG_RECORDS);
  const first = Math.max(since, oldest);
  const end = Math.min(total, first + limit);
  const records: MmioFaultRecord[] = [];
  for (let seq = first; seq < end; seq++) records.push(readRecord(arena, seq, deviceName));
  return { total, missed: Math.max(0, Math.min(total, oldest) - since), records };
}

function readRecord(arena: Arena, seq: number, deviceName: DeviceNamer): MmioFaultRecord {
  const at = arena.layout.mmioLog + TRACE_RING_HEADER_BYTES + (seq % MMIO_LOG_RECORDS) * MMIO_LOG_BYTES;
  const device = arena.u8[at + MMIO_LOG_DEVICE];
  return {
    seq,
    insns: arena.f64[(at + MMIO_LOG_INSNS) >> 3],
    vcpu: arena.u8[at + MMIO_LOG_VCPU],
    rip: arena.u64[(at + MMIO_LOG_RIP) >> 3],
    gva: arena.u64[(at + MMIO_LOG_GVA) >> 3],
    gpa: arena.u64[(at + MMIO_LOG_GPA) >> 3],
    access: ACCESS_KINDS[arena.u8[at + MMIO_LOG_ACCESS]],
    outcome: MMIO_OUTCOMES[arena.u8[at + MMIO_LOG_OUTCOME]],
    spte: arena.u64[(at + MMIO_LOG_SPTE) >> 3],
    spteGen: arena.i32[(at + MMIO_LOG_SPTE_GEN) >> 2],
    kvmGen: arena.i32[(at + MMIO_LOG_KVM_GEN) >> 2],
    size: arena.u8[at + MMIO_LOG_SIZE],
    value: arena.u64[(at + MMIO_LOG_VALUE) >> 3],
    claim: CLAIMS[arena.u8[at + MMIO_LOG_CLAIM]],
    device: device === 0 ? undefined : deviceName(device - 1),
  };
}

/** The hottest frames first. */
export function readMmioHeat(arena: Arena, limit: number): Omit<MmioHeat, 'moment'> {
  const { f64, layout } = arena;
  const rows: MmioHeat['rows'][number][] = [];
  for (let bucket = 0; bucket < MMIO_HEAT_BUCKETS; bucket++) {
    const at = (layout.mmioHeat + TRACE_RING_HEADER_BYTES + bucket * MMIO_HEAT_BYTES) >> 3;
    const key = f64[at + HEAT_GFN / 8];
    if (key === 0) continue;
    rows.push({
      gfn: key - 1,
      count: f64[at + HEAT_COUNT / 8],
      invalid: f64[at + HEAT_INVALID / 8],
      writes: f64[at + HEAT_WRITES / 8],
    });
  }
  rows.sort((a, b) => b.count - a.count || a.gfn - b.gfn);
  return { overflow: f64[(layout.mmioHeat + HEAT_OVERFLOW) >> 3], rows: rows.slice(0, limit) };
}

/** How the faults that the log still has came out, in equal parts of the instructions that they span. */
export function mmioTimeline(arena: Arena, buckets: number): Omit<MmioTimeline, 'moment'> {
  const total = mmioFaultCount(arena);
  const oldest = Math.max(0, total - MMIO_LOG_RECORDS);
  const recordAt = (seq: number): number =>
    arena.layout.mmioLog + TRACE_RING_HEADER_BYTES + (seq % MMIO_LOG_RECORDS) * MMIO_LOG_BYTES;
  const insnsAt = (seq: number): number => arena.f64[(recordAt(seq) + MMIO_LOG_INSNS) >> 3];
  const counts = MMIO_OUTCOMES.map((outcome) => ({ outcome, faults: new Uint32Array(buckets) }));
  if (total === oldest) return { from: 0, to: 0, counts };
  const from = insnsAt(oldest);
  const to = Math.max(from + 1, insnsAt(total - 1));
  for (let seq = oldest; seq < total; seq++) {
    const part = Math.floor(((insnsAt(seq) - from) * buckets) / (to - from));
    counts[arena.u8[recordAt(seq) + MMIO_LOG_OUTCOME]].faults[Math.min(buckets - 1, Math.max(0, part))] += 1;
  }
  return { from, to, counts };
}
