/** The trace, the MMIO log and the counts by gfn as they came out of a file. */
import type { Arena } from '../../arena/arena.ts';
import { RestoredWords } from '../../arena/restored-words.ts';
import {
  HEAT_COUNT,
  HEAT_GFN,
  HEAT_INVALID,
  HEAT_OVERFLOW,
  HEAT_USED,
  HEAT_WRITES,
  MMIO_HEAT_BUCKETS,
  MMIO_HEAT_BYTES,
  MMIO_LOG_ACCESS,
  MMIO_LOG_BYTES,
  MMIO_LOG_INSNS,
  MMIO_LOG_OUTCOME,
  MMIO_LOG_RECORDS,
  MMIO_LOG_VCPU,
  RING_HEAD,
  RING_LOCK,
  TRACE_EVENT,
  TRACE_INSNS,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
  TRACE_VCPU,
} from '../../arena/trace-layout.ts';
import { MMIO_OUTCOMES } from '../../base/mmio-outcomes.ts';
import { TRACEPOINTS } from '../../base/tracepoints.ts';

/** @throws RestoreRefused */
export function checkRestoredRings(arena: Arena): void {
  checkTrace(arena);
  checkMmioLog(arena);
  checkHeat(arena);
}

function checkTrace(arena: Arena): void {
  const { layout, u16 } = arena;
  const { traceRecords, vcpus } = layout.config;
  const words = new RestoredWords(arena, layout.trace, 'the trace');
  words.int(RING_LOCK, 0, 0, 'its lock');
  const head = words.whole(RING_HEAD, 0, Number.MAX_SAFE_INTEGER, 'its count of records');
  const known = new Set(TRACEPOINTS.map(({ id }) => id));
  for (let n = 0; n < Math.min(head, traceRecords); n++) {
    const at = TRACE_RING_HEADER_BYTES + n * TRACE_RECORD_BYTES;
    words.require(known.has(u16[(layout.trace + at + TRACE_EVENT) >> 1]), `record ${n} is of no tracepoint`);
    words.require(u16[(layout.trace + at + TRACE_VCPU) >> 1] < vcpus, `record ${n} is of no vCPU`);
    words.whole(at + TRACE_INSNS, 0, Number.MAX_SAFE_INTEGER, `the moment of record ${n}`);
  }
}

function checkMmioLog(arena: Arena): void {
  const { layout, u8 } = arena;
  const words = new RestoredWords(arena, layout.mmioLog, 'the MMIO log');
  words.int(RING_LOCK, 0, 0, 'its lock');
  const head = words.whole(RING_HEAD, 0, Number.MAX_SAFE_INTEGER, 'its count of records');
  for (let n = 0; n < Math.min(head, MMIO_LOG_RECORDS); n++) {
    const at = TRACE_RING_HEADER_BYTES + n * MMIO_LOG_BYTES;
    words.require(u8[layout.mmioLog + at + MMIO_LOG_OUTCOME] < MMIO_OUTCOMES.length, `record ${n} has no outcome`);
    words.require(u8[layout.mmioLog + at + MMIO_LOG_ACCESS] <= 2, `record ${n} is of no access`);
    words.require(u8[layout.mmioLog + at + MMIO_LOG_VCPU] < layout.config.vcpus, `record ${n} is of no vCPU`);
    words.whole(at + MMIO_LOG_INSNS, 0, Number.MAX_SAFE_INTEGER, `the moment of record ${n}`);
  }
}

function checkHeat(arena: Arena): void {
  const words = new RestoredWords(arena, arena.layout.mmioHeat, 'the counts of MMIO by gfn');
  words.whole(HEAT_OVERFLOW, 0, Number.MAX_SAFE_INTEGER, 'their overflow');
  let used = 0;
  for (let n = 0; n < MMIO_HEAT_BUCKETS; n++) {
    const at = TRACE_RING_HEADER_BYTES + n * MMIO_HEAT_BYTES;
    if (words.whole(at + HEAT_GFN, 0, 2 ** 40, `gfn ${n}`) !== 0) used += 1;
    for (const field of [HEAT_COUNT, HEAT_INVALID, HEAT_WRITES]) {
      words.whole(at + field, 0, Number.MAX_SAFE_INTEGER, `a count of gfn ${n}`);
    }
  }
  words.int(HEAT_USED, used, used, 'the number of gfns');
}
