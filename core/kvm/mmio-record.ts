/**
 * The MMIO fault in progress of one vCPU, and its way into the arena: the log ring and the heat table (layouts:
 * core/arena/trace-layout.ts). Nothing here is KVM's; it is what the debugger shows of it.
 */
import type { Arena } from '../arena/arena.ts';
import {
  HEAT_COUNT,
  HEAT_GFN,
  HEAT_INVALID,
  HEAT_OVERFLOW,
  HEAT_USED,
  HEAT_WRITES,
  MMIO_HEAT_BUCKETS,
  MMIO_HEAT_BYTES,
  MMIO_LOG_BYTES,
  MMIO_LOG_GPA,
  MMIO_LOG_GVA,
  MMIO_LOG_INSNS,
  MMIO_LOG_KVM_GEN,
  MMIO_LOG_RECORDS,
  MMIO_LOG_RIP,
  MMIO_LOG_SPTE,
  MMIO_LOG_SPTE_GEN,
  MMIO_LOG_VALUE,
  RING_HEAD,
  TRACE_RING_HEADER_BYTES,
} from '../arena/trace-layout.ts';
import { MMIO_INVALID } from '../base/mmio-outcomes.ts';

/** Nobody asked the bus. */
export const CLAIM_NONE = 0;
export const CLAIM_DEVICE = 1;
export const CLAIM_UNSATISFIED = 2;

/** head modulo the ring's size. `%` on doubles is a call into C; this is four instructions. */
const ringIndex = (head: number): number => head - Math.floor(head / MMIO_LOG_RECORDS) * MMIO_LOG_RECORDS;

const HEAT_LIMIT = (MMIO_HEAT_BUCKETS * 3) / 4;

export class MmioRecord {
  readonly arena: Arena;
  readonly vcpuId: number;
  /** A fault is being handled: the emulator notes the first access that it sends to the bus. */
  open = false;
  insns = 0;
  ripLo = 0;
  ripHi = 0;
  gvaLo = 0;
  gvaHi = 0;
  gpaLo = 0;
  gpaHi = 0;
  /** 0 read, 1 write, 2 fetch. */
  access = 0;
  /** MMIO_* of core/base/mmio-outcomes.ts. */
  outcome = 0;
  spteLo = 0;
  spteHi = 0;
  spteGen = -1;
  kvmGen = -1;
  size = 0;
  valueLo = 0;
  valueHi = 0;
  claim = CLAIM_NONE;
  /** Device number + 1, 0 = none. */
  device = 0;

  constructor(arena: Arena, vcpuId: number) {
    this.arena = arena;
    this.vcpuId = vcpuId;
  }

  /** The emulator sent an access to the bus. */
  noteDispatch(write: boolean, size: number, lo: number, hi: number, device: number): void {
    if (!this.open || this.size !== 0) return;
    this.access = write ? 1 : 0;
    this.size = size;
    this.valueLo = lo;
    this.valueHi = hi;
    this.claim = device < 0 ? CLAIM_UNSATISFIED : CLAIM_DEVICE;
    this.device = device + 1;
  }

  /** Appends the record to the log and counts it in the heat table. */
  commit(): void {
    const { arena } = this;
    const { i32, f64, layout } = arena;
    const ring = (layout.mmioLog + RING_HEAD) >> 3;
    const head = f64[ring];
    const at = layout.mmioLog + TRACE_RING_HEADER_BYTES + ringIndex(head) * MMIO_LOG_BYTES;
    const w = at >> 2;
    f64[(at + MMIO_LOG_INSNS) >> 3] = this.insns;
    i32[w + (MMIO_LOG_GVA >> 2)] = this.gvaLo;
    i32[w + (MMIO_LOG_GVA >> 2) + 1] = this.gvaHi;
    i32[w + (MMIO_LOG_GPA >> 2)] = this.gpaLo;
    i32[w + (MMIO_LOG_GPA >> 2) + 1] = this.gpaHi;
    i32[w + (MMIO_LOG_RIP >> 2)] = this.ripLo;
    i32[w + (MMIO_LOG_RIP >> 2) + 1] = this.ripHi;
    i32[w + (MMIO_LOG_VALUE >> 2)] = this.valueLo;
    i32[w + (MMIO_LOG_VALUE >> 2) + 1] = this.valueHi;
    i32[w + (MMIO_LOG_SPTE >> 2)] = this.spteLo;
    i32[w + (MMIO_LOG_SPTE >> 2) + 1] = this.spteHi;
    i32[w + (MMIO_LOG_SPTE_GEN >> 2)] = this.spteGen;
    i32[w + (MMIO_LOG_KVM_GEN >> 2)] = this.kvmGen;
    // Outcome, access, size and vCPU; then claim and device: the bytes 56 … 63, in that order.
    i32[w + 14] = this.outcome | (this.access << 8) | (this.size << 16) | (this.vcpuId << 24);
    i32[w + 15] = this.claim | (this.device << 8);
    f64[ring] = head + 1;
    this.heat();
    this.open = false;
  }

  private heat(): void {
    const { f64, i32, layout } = this.arena;
    const gfn = (this.gpaLo >>> 12) + (this.gpaHi >>> 0) * 0x10_0000;
    const table = (layout.mmioHeat + TRACE_RING_HEADER_BYTES) >> 3;
    // gfn modulo the table's size, which is a power of two below 2^20.
    let bucket = (this.gpaLo >>> 12) & (MMIO_HEAT_BUCKETS - 1);
    for (;;) {
      const at = table + bucket * (MMIO_HEAT_BYTES / 8);
      const key = f64[at + HEAT_GFN / 8];
      if (key !== gfn + 1) {
        if (key !== 0) {
          bucket = (bucket + 1) & (MMIO_HEAT_BUCKETS - 1);
          continue;
        }
        if (i32[(layout.mmioHeat + HEAT_USED) >> 2] >= HEAT_LIMIT) {
          f64[(layout.mmioHeat + HEAT_OVERFLOW) >> 3] += 1;
          return;
        }
        i32[(layout.mmioHeat + HEAT_USED) >> 2] += 1;
        f64[at + HEAT_GFN / 8] = gfn + 1;
      }
      f64[at + HEAT_COUNT / 8] += 1;
      if (this.outcome === MMIO_INVALID) f64[at + HEAT_INVALID / 8] += 1;
      if (this.access === 1) f64[at + HEAT_WRITES / 8] += 1;
      return;
    }
  }
}
