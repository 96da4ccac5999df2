/**
 * The MMIO fault in progress of one vCPU: written straight into the next record of the log ring, which it becomes when it is
 * committed, and then counted in the heat table (layouts: core/arena/trace-layout.ts). Nothing here is KVM's; it is what the
 * debugger shows of it.
 */
import type { Arena } from '../../arena/arena.ts';
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
  MMIO_LOG_CLAIM,
  MMIO_LOG_GPA,
  MMIO_LOG_GVA,
  MMIO_LOG_INSNS,
  MMIO_LOG_KVM_GEN,
  MMIO_LOG_OUTCOME,
  MMIO_LOG_RECORDS,
  MMIO_LOG_RIP,
  MMIO_LOG_SPTE,
  MMIO_LOG_SPTE_GEN,
  MMIO_LOG_VALUE,
  RING_HEAD,
  RING_LOCK,
  TRACE_RING_HEADER_BYTES,
} from '../../arena/trace-layout.ts';
import { lockWord, unlockWord } from '../../arena/futex-lock.ts';
import { MMIO_INVALID } from '../../base/mmio-outcomes.ts';
import { VM_THREADED } from '../mmu/mmu-words.ts';

/** Values of MMIO_LOG_CLAIM. */
const CLAIM_DEVICE = 1;
const CLAIM_UNSATISFIED = 2;

/** int32 indexes inside a record. OUTCOME's word holds outcome, access, size and vCPU; CLAIM's claim and device: a byte each. */
const GVA = MMIO_LOG_GVA >> 2;
const GPA = MMIO_LOG_GPA >> 2;
const RIP = MMIO_LOG_RIP >> 2;
const VALUE = MMIO_LOG_VALUE >> 2;
const SPTE = MMIO_LOG_SPTE >> 2;
const SPTE_GEN = MMIO_LOG_SPTE_GEN >> 2;
const KVM_GEN = MMIO_LOG_KVM_GEN >> 2;
const OUTCOME = MMIO_LOG_OUTCOME >> 2;
const CLAIM = MMIO_LOG_CLAIM >> 2;

/** Neighbouring frames fill neighbouring buckets, so a full table is one long run: nobody searches all of it. */
const HEAT_PROBES = 8;
const HEAT_LIMIT = (MMIO_HEAT_BUCKETS * 3) / 4;

export class MmioRecord {
  private readonly i32: Int32Array<SharedArrayBuffer>;
  private readonly f64: Float64Array<SharedArrayBuffer>;
  /** Where the record is put together: the ring itself, or, with several vCPUs, a place of this vCPU's own. */
  private readonly draft32: Int32Array<SharedArrayBuffer>;
  private readonly draft64: Float64Array<SharedArrayBuffer>;
  private readonly shared: boolean;
  /** Other threads write to the ring and the heat table too. */
  private readonly threaded: boolean;
  private readonly vcpuId: number;
  /** f64 index of the ring's head, byte offset of its first record; byte offset of the heat table's header. */
  private readonly head: number;
  private readonly lock: number;
  private readonly records: number;
  private readonly heatHeader: number;

  /** A fault is being handled: the emulator notes the first access that it sends to the bus. */
  open = false;
  /** int32 index of the record. */
  private at = 0;
  private gpaLo = 0;
  private gpaHi = 0;
  /** 0 read, 1 write, 2 fetch. */
  private access = 0;
  /** Size of the access noted, 0 = none yet. */
  private size = 0;
  /** MMIO_* of core/base/mmio-outcomes.ts. */
  outcome = 0;

  constructor(arena: Arena, vcpuId: number) {
    this.i32 = arena.i32;
    this.f64 = arena.f64;
    this.threaded = arena.i32[(arena.layout.vm + VM_THREADED) >> 2] !== 0;
    this.shared = arena.layout.config.vcpus > 1;
    const own = this.shared ? new SharedArrayBuffer(MMIO_LOG_BYTES) : undefined;
    this.draft32 = own === undefined ? arena.i32 : new Int32Array(own);
    this.draft64 = own === undefined ? arena.f64 : new Float64Array(own);
    this.vcpuId = vcpuId;
    this.head = (arena.layout.mmioLog + RING_HEAD) >> 3;
    this.lock = (arena.layout.mmioLog + RING_LOCK) >> 2;
    this.records = arena.layout.mmioLog + TRACE_RING_HEADER_BYTES;
    this.heatHeader = arena.layout.mmioHeat;
  }

  begin(
    insns: number,
    ripLo: number,
    ripHi: number,
    gvaLo: number,
    gvaHi: number,
    gpaLo: number,
    gpaHi: number,
    access: number,
    kvmGen: number,
  ): void {
    const i32 = this.draft32;
    const f64 = this.draft64;
    const at = this.shared ? 0 : this.nextRecord();
    const w = at >> 2;
    f64[(at + MMIO_LOG_INSNS) >> 3] = insns;
    i32[w + GVA] = gvaLo;
    i32[w + GVA + 1] = gvaHi;
    i32[w + GPA] = gpaLo;
    i32[w + GPA + 1] = gpaHi;
    i32[w + RIP] = ripLo;
    i32[w + RIP + 1] = ripHi;
    i32[w + VALUE] = 0;
    i32[w + VALUE + 1] = 0;
    i32[w + SPTE] = 0;
    i32[w + SPTE + 1] = 0;
    i32[w + SPTE_GEN] = -1;
    i32[w + KVM_GEN] = kvmGen;
    i32[w + CLAIM] = 0;
    this.at = w;
    this.gpaLo = gpaLo;
    this.gpaHi = gpaHi;
    this.access = access;
    this.size = 0;
    this.open = true;
  }

  /** What the walk ended at. */
  noteSpte(lo: number, hi: number, gen: number): void {
    const w = this.at;
    this.draft32[w + SPTE] = lo;
    this.draft32[w + SPTE + 1] = hi;
    this.draft32[w + SPTE_GEN] = gen;
  }

  /** The emulator sent an access to the bus. */
  noteDispatch(write: boolean, size: number, lo: number, hi: number, device: number): void {
    if (!this.open || this.size !== 0) return;
    const { draft32: i32, at } = this;
    this.access = write ? 1 : 0;
    this.size = size;
    i32[at + VALUE] = lo;
    i32[at + VALUE + 1] = hi;
    i32[at + CLAIM] = device < 0 ? CLAIM_UNSATISFIED : CLAIM_DEVICE | ((device + 1) << 8);
  }

  /** Publishes the record and counts it in the heat table. */
  commit(): void {
    this.draft32[this.at + OUTCOME] = this.outcome | (this.access << 8) | (this.size << 16) | (this.vcpuId << 24);
    if (this.threaded) lockWord(this.i32, this.lock, 'the lock of the MMIO log');
    if (this.shared) this.i32.set(this.draft32, this.nextRecord() >> 2);
    this.f64[this.head] += 1;
    this.heat();
    if (this.threaded) unlockWord(this.i32, this.lock);
    this.open = false;
  }

  /** Byte offset of the record that is committed next: head modulo the ring's size, a power of two. */
  private nextRecord(): number {
    return this.records + (this.f64[this.head] & (MMIO_LOG_RECORDS - 1)) * MMIO_LOG_BYTES;
  }

  private heat(): void {
    const { f64, i32, heatHeader } = this;
    const gfn = (this.gpaLo >>> 12) + (this.gpaHi >>> 0) * 0x10_0000;
    const table = (heatHeader + TRACE_RING_HEADER_BYTES) >> 3;
    // gfn modulo the table's size, which is a power of two below 2^20.
    let bucket = (this.gpaLo >>> 12) & (MMIO_HEAT_BUCKETS - 1);
    for (let probes = 0; ; probes++) {
      const at = table + bucket * (MMIO_HEAT_BYTES / 8);
      const key = f64[at + HEAT_GFN / 8];
      if (key !== gfn + 1) {
        if (key !== 0 && probes < HEAT_PROBES) {
          bucket = (bucket + 1) & (MMIO_HEAT_BUCKETS - 1);
          continue;
        }
        if (key !== 0 || i32[(heatHeader + HEAT_USED) >> 2] >= HEAT_LIMIT) {
          f64[(heatHeader + HEAT_OVERFLOW) >> 3] += 1;
          return;
        }
        i32[(heatHeader + HEAT_USED) >> 2] += 1;
        f64[at + HEAT_GFN / 8] = gfn + 1;
      }
      f64[at + HEAT_COUNT / 8] += 1;
      if (this.outcome === MMIO_INVALID) f64[at + HEAT_INVALID / 8] += 1;
      if (this.access === 1) f64[at + HEAT_WRITES / 8] += 1;
      return;
    }
  }
}
