/**
 * The one shared buffer that holds a machine. Everything that outlives an instruction lives here; JavaScript objects are
 * views and caches of it (architecture, idea 1). The platform allocates the buffer (a shared WebAssembly.Memory) and hands
 * it in, because `core/` knows no platform.
 */
import { assert } from '../base/assert.ts';
import { computeLayout, type ArenaConfig, type ArenaLayout } from './layout.ts';

export const ARENA_MAGIC = 0x4152_4d55; // "UMRA", little endian
export const ARENA_VERSION = 1;

/** Byte offsets inside the header region. All int32 unless said. */
export const HEADER_MAGIC = 0;
export const HEADER_VERSION = 4;
/** The {@link ArenaConfig} the layout was computed from, field by field, so that any thread can re-compute it. */
export const HEADER_RAM_BYTES = 8; // float64
export const HEADER_VCPUS = 16;
export const HEADER_MEMSLOTS = 20;
export const HEADER_SHADOW_PAGES = 24;
export const HEADER_TRACE_RECORDS = 28;

export interface Arena {
  readonly buffer: SharedArrayBuffer;
  readonly layout: ArenaLayout;
  readonly u8: Uint8Array<SharedArrayBuffer>;
  readonly u16: Uint16Array<SharedArrayBuffer>;
  readonly i32: Int32Array<SharedArrayBuffer>;
  readonly u32: Uint32Array<SharedArrayBuffer>;
  readonly f64: Float64Array<SharedArrayBuffer>;
  readonly u64: BigUint64Array<SharedArrayBuffer>;
  /** For unaligned accesses; always pass `true` (little endian). */
  readonly view: DataView<SharedArrayBuffer>;
}

const viewsOf = (buffer: SharedArrayBuffer, layout: ArenaLayout): Arena => ({
  buffer,
  layout,
  u8: new Uint8Array(buffer),
  u16: new Uint16Array(buffer),
  i32: new Int32Array(buffer),
  u32: new Uint32Array(buffer),
  f64: new Float64Array(buffer),
  u64: new BigUint64Array(buffer),
  view: new DataView(buffer),
});

/**
 * Lays a fresh machine out in a zeroed buffer.
 * @param allocate gives a zeroed SharedArrayBuffer of at least the asked number of bytes (a multiple of 64 KiB, below 2^31)
 */
export function createArena(config: ArenaConfig, allocate: (bytes: number) => SharedArrayBuffer): Arena {
  const layout = computeLayout(config);
  const buffer = allocate(layout.totalBytes);
  assert(buffer.byteLength >= layout.totalBytes, 'the platform gave a smaller buffer than the layout needs');
  const arena = viewsOf(buffer, layout);
  const { view } = arena;
  view.setInt32(HEADER_MAGIC, ARENA_MAGIC, true);
  view.setInt32(HEADER_VERSION, ARENA_VERSION, true);
  view.setFloat64(HEADER_RAM_BYTES, config.ramBytes, true);
  view.setInt32(HEADER_VCPUS, config.vcpus, true);
  view.setInt32(HEADER_MEMSLOTS, config.memslots, true);
  view.setInt32(HEADER_SHADOW_PAGES, config.shadowPages, true);
  view.setInt32(HEADER_TRACE_RECORDS, config.traceRecords, true);
  return arena;
}

/** Opens an arena that another thread, or an earlier life of this one, laid out. Throws when the header is not ours. */
export function attachArena(buffer: SharedArrayBuffer): Arena {
  const view = new DataView(buffer);
  assert(view.getInt32(HEADER_MAGIC, true) === ARENA_MAGIC, 'this buffer does not hold an arena');
  assert(view.getInt32(HEADER_VERSION, true) === ARENA_VERSION, 'this arena has another version');
  const layout = computeLayout({
    ramBytes: view.getFloat64(HEADER_RAM_BYTES, true),
    vcpus: view.getInt32(HEADER_VCPUS, true),
    memslots: view.getInt32(HEADER_MEMSLOTS, true),
    shadowPages: view.getInt32(HEADER_SHADOW_PAGES, true),
    traceRecords: view.getInt32(HEADER_TRACE_RECORDS, true),
  });
  assert(buffer.byteLength >= layout.totalBytes, 'this arena is cut short');
  return viewsOf(buffer, layout);
}
