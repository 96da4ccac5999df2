/**
 * Rings that the machine writes and people read. A ring is a 64-byte header and fixed records; `head` counts records ever
 * written (float64), so record n lies at index n modulo the size and a reader can tell what it missed.
 * Writer: the thread running the vCPU. Readers must re-read `head` after copying and drop what was overwritten meanwhile.
 */
export const RING_HEAD = 0; // float64
/** Held while a record is written, when vCPUs have threads of their own. */
export const RING_LOCK = 40; // int32
export const TRACE_RING_HEADER_BYTES = 64;

/** Trace record, byte offsets. */
export const TRACE_INSNS = 0; // float64: instructions retired when emitted
export const TRACE_EVENT = 8; // uint16: TP_* id
export const TRACE_VCPU = 10; // uint16
export const TRACE_FLAGS = 12; // uint32: virtual time skipped in HLT before the event, in microseconds, saturating
export const TRACE_ARGS = 16; // 6 × u64
export const TRACE_RECORD_BYTES = 64;

/** The MMIO fault log: always on, one record per MMIO fault handled. */
export const MMIO_LOG_INSNS = 0; // float64
export const MMIO_LOG_GVA = 8; // u64
export const MMIO_LOG_GPA = 16; // u64
export const MMIO_LOG_RIP = 24; // u64
export const MMIO_LOG_VALUE = 32; // u64: value read or written (after emulation; 0 when not emulated)
export const MMIO_LOG_SPTE = 40; // u64: the spte found, 0 when none was looked at
export const MMIO_LOG_SPTE_GEN = 48; // int32, −1 when no MMIO spte was looked at
export const MMIO_LOG_KVM_GEN = 52; // int32
export const MMIO_LOG_OUTCOME = 56; // uint8: MMIO_* of core/base/mmio-outcomes.ts
export const MMIO_LOG_ACCESS = 57; // uint8: 0 read, 1 write, 2 fetch
export const MMIO_LOG_SIZE = 58; // uint8: bytes, 0 when not emulated
export const MMIO_LOG_VCPU = 59; // uint8
/** 0 not dispatched, 1 a device claimed it, 2 unsatisfied. */
export const MMIO_LOG_CLAIM = 60; // uint8
export const MMIO_LOG_DEVICE = 61; // uint8: device number + 1 as the bus numbers them, 0 none
export const MMIO_LOG_BYTES = 64;
export const MMIO_LOG_RECORDS = 8192;

/**
 * Counts per gfn: an open-addressing table (linear probing from gfn mod MMIO_HEAT_BUCKETS). When it is three quarters full new gfns are only
 * counted in the header's overflow word, so heat never costs more than a few probes.
 */
export const HEAT_USED = 8; // int32 in the header
export const HEAT_OVERFLOW = 16; // float64 in the header
export const HEAT_GFN = 0; // float64: gfn + 1, 0 = empty
export const HEAT_COUNT = 8; // float64: faults in all
export const HEAT_INVALID = 16; // float64: of these INVALID
export const HEAT_WRITES = 24; // float64
export const MMIO_HEAT_BYTES = 32;
export const MMIO_HEAT_BUCKETS = 16384;
