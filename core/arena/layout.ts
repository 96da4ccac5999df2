/**
 * Where everything lies in the arena. This module computes the regions; the fields inside each are in the sibling
 * `*-layout.ts` modules. No other module of the project contains a literal arena offset.
 *
 * The whole arena lies below 2^31, so every offset is a non-negative int32 and every "host physical address" too
 * (hpa = arena offset, see core/base/address.ts). That is what lets hot code do offset arithmetic in int32.
 */
import { assert } from '../base/assert.ts';
import { VCPU_BYTES } from './vcpu-layout.ts';
import { MEMSLOT_BYTES, MEMSLOTS_HEADER_BYTES } from './memslot-layout.ts';
import { MMU_PAGE_BYTES, MMU_HASH_BUCKETS, PTE_LIST_DESC_BYTES, VM_BYTES } from './mmu-layout.ts';
import {
  MMIO_HEAT_BUCKETS,
  MMIO_HEAT_BYTES,
  MMIO_LOG_BYTES,
  MMIO_LOG_RECORDS,
  TRACE_RECORD_BYTES,
  TRACE_RING_HEADER_BYTES,
} from './trace-layout.ts';
import { DEVICES_BYTES } from './device-layout.ts';

const PAGE = 4096;
const LARGE_PAGE = 0x20_0000;
const GIB = 0x4000_0000;

/** What the size of an arena depends on. */
export interface ArenaConfig {
  /** Bytes of host user memory behind memslots: a multiple of 4096, at most {@link MAX_RAM_BYTES}. */
  readonly ramBytes: number;
  /** 1 … 8. */
  readonly vcpus: number;
  /** Slots a table can hold, private ones included (128 in v3.11). */
  readonly memslots: number;
  /** Shadow pages in the pool: the most that the page quota can ever be. */
  readonly shadowPages: number;
  /** Records in the trace ring: a power of two. */
  readonly traceRecords: number;
}

export const MAX_RAM_BYTES = 0x6000_0000; // 1.5 GiB

/** Byte offsets of the regions, each page aligned. */
export interface ArenaLayout {
  readonly config: ArenaConfig;
  readonly header: number;
  /** Words that threads talk through; see control-layout.ts. */
  readonly control: number;
  /** `config.vcpus` blocks of {@link VCPU_BYTES}. */
  readonly vcpus: number;
  /** struct kvm / kvm_arch scalars and VM counters; see mmu-layout.ts. */
  readonly vm: number;
  /** Two memslot tables (active and inactive), each `memslotTableBytes`. */
  readonly memslots: number;
  readonly memslotTableBytes: number;
  /** Per-slot arrays: rmap heads, lpage_info, dirty bitmaps. Handed out by an allocator in core/kvm. */
  readonly slotHeap: number;
  readonly slotHeapBytes: number;
  /** kvm_mmu_page headers, one block of {@link MMU_PAGE_BYTES} per shadow page of the pool. */
  readonly mmuPages: number;
  /** Hash heads: int32 × {@link MMU_HASH_BUCKETS}. */
  readonly mmuHash: number;
  /** pte_list descriptors. */
  readonly pteListDescs: number;
  readonly pteListDescCount: number;
  /** The shadow pages themselves: 512 little-endian u64 entries each. */
  readonly shadowPages: number;
  /** sp->gfns: for each shadow page the frames that its 512 entries map, one double each; used by indirect pages. */
  readonly shadowGfns: number;
  readonly devices: number;
  readonly trace: number;
  readonly mmioLog: number;
  readonly mmioHeat: number;
  /** Guest RAM ("host user memory"), at a multiple of 2 MiB, and of 1 GiB when it is that large. */
  readonly ram: number;
  readonly totalBytes: number;
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE) * PAGE;

/** Throws on a configuration out of range: callers check what users gave them first. */
export function computeLayout(config: ArenaConfig): ArenaLayout {
  const { ramBytes, vcpus, memslots, shadowPages, traceRecords } = config;
  assert(ramBytes > 0 && ramBytes % PAGE === 0 && ramBytes <= MAX_RAM_BYTES, 'ramBytes out of range');
  assert(Number.isInteger(vcpus) && vcpus >= 1 && vcpus <= 8, 'vcpus out of range');
  assert(Number.isInteger(memslots) && memslots >= 1 && memslots <= 32767, 'memslots out of range');
  assert(Number.isInteger(shadowPages) && shadowPages >= 64 && shadowPages <= 32768, 'shadowPages out of range');
  assert(traceRecords >= 64 && (traceRecords & (traceRecords - 1)) === 0, 'traceRecords must be a power of two');

  let next = 0;
  const region = (bytes: number): number => {
    const start = next;
    next += pages(bytes);
    return start;
  };
  const header = region(PAGE);
  const control = region(PAGE);
  const vcpuBlocks = region(vcpus * VCPU_BYTES);
  const vm = region(VM_BYTES);
  // A table is header, slots in scan order, then an int32 id → index map, then its length in indexes.
  const memslotTableBytes = pages(MEMSLOTS_HEADER_BYTES + memslots * MEMSLOT_BYTES + memslots * 4);
  const memslotTables = region(2 * memslotTableBytes);
  // 16 bytes for rmaps and lpage_info and 2 × 1/8 for dirty bitmaps per frame; four times the RAM, because slots may alias it.
  const slotHeapBytes = pages(4 * 18 * (ramBytes / PAGE)) + 4 * 1024 * 1024;
  const slotHeap = region(slotHeapBytes);
  const mmuPages = region(shadowPages * MMU_PAGE_BYTES);
  const mmuHash = region(MMU_HASH_BUCKETS * 4);
  const pteListDescCount = 65536;
  const pteListDescs = region(pteListDescCount * PTE_LIST_DESC_BYTES);
  const shadow = region(shadowPages * PAGE);
  const shadowGfns = region(shadowPages * PAGE);
  const devices = region(DEVICES_BYTES);
  const trace = region(TRACE_RING_HEADER_BYTES + traceRecords * TRACE_RECORD_BYTES);
  const mmioLog = region(TRACE_RING_HEADER_BYTES + MMIO_LOG_RECORDS * MMIO_LOG_BYTES);
  const mmioHeat = region(TRACE_RING_HEADER_BYTES + MMIO_HEAT_BUCKETS * MMIO_HEAT_BYTES);
  // Host memory in large pages begins at a multiple of them. A 1 GiB page fits below 2 GiB only if nothing else is RAM.
  const ramAlignment = ramBytes === GIB ? GIB : LARGE_PAGE;
  next = Math.ceil(next / ramAlignment) * ramAlignment;
  const ram = region(ramBytes);
  const totalBytes = Math.ceil(next / 65536) * 65536;
  assert(totalBytes <= 2 ** 31, 'the arena must end at or below 2 GiB');
  return {
    config,
    header,
    control,
    vcpus: vcpuBlocks,
    vm,
    memslots: memslotTables,
    memslotTableBytes,
    slotHeap,
    slotHeapBytes,
    mmuPages,
    mmuHash,
    pteListDescs,
    pteListDescCount,
    shadowPages: shadow,
    shadowGfns,
    devices,
    trace,
    mmioLog,
    mmioHeat,
    ram,
    totalBytes,
  };
}
