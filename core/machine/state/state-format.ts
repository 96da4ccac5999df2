/**
 * The machine state file, `.umbra-machine` (docs/FORMATS.md, "Machine states"): a header, chunks in a fixed order, and a
 * table of them at the end. Little endian throughout. Everything that a reader allocates or follows has a bound that it
 * knows before it looks.
 */
import * as control from '../../arena/control-layout.ts';
import * as devices from '../../arena/device-layout.ts';
import { computeLayout, type ArenaConfig } from '../../arena/layout.ts';
import * as memslots from '../../arena/memslot-layout.ts';
import * as mmu from '../../arena/mmu-layout.ts';
import * as trace from '../../arena/trace-layout.ts';
import * as vcpu from '../../arena/vcpu-layout.ts';
import { ARENA_PAGE_BYTES } from '../../arena/zero-pages.ts';
import { ARENA_VERSION } from '../../arena/arena.ts';
import { asciiBytes } from '../../base/ascii.ts';
import { crc32 } from '../../base/crc32.ts';
import { refuseUnless } from '../../base/restore-refused.ts';
import { ARENA_WORDS_OF_KVM } from '../../kvm/index.ts';
import { ARENA_WORDS_OF_CPU } from '../../x86/index.ts';

/** 2: the description has `met` and `untold`. A file of format 1, which has neither, is read as well. */
export const STATE_VERSION = 2;
/** 0x89 keeps it from being taken for text, CR LF shows a transfer that changed line ends. */
export const STATE_MAGIC = Uint8Array.of(0x89, 0x55, 0x4d, 0x42, 0x52, 0x41, 0x0d, 0x0a);
export const STATE_HEADER_BYTES = 64;
export const CHUNK_HEADER_BYTES = 24;
export const TABLE_ENTRY_BYTES = 24;

const fourCc = (text: string): number => [...text].reduceRight((sum, letter) => sum * 256 + letter.charCodeAt(0), 0);
export const CHUNK_META = fourCc('META');
export const CHUNK_IMAGE = fourCc('IMAG');
export const CHUNK_PAGES = fourCc('PAGE');
export const CHUNK_TABLE = fourCc('TABL');

export const CODING_STORED = 0;
export const CODING_DEFLATE = 1;

export const PAGES_PER_CHUNK = 256;

export const MAX_META_BYTES = 16 * 1024 * 1024;
const MAX_IMAGE_BYTES = 64 * 1024 * 1024;
const MAX_PAGES_BYTES = 4 + PAGES_PER_CHUNK * (4 + ARENA_PAGE_BYTES);

/** The most that a chunk of a kind may hold once it is unpacked; 0: there is no such kind. */
export function chunkLimit(kind: number, chunks: number): number {
  if (kind === CHUNK_META) return MAX_META_BYTES;
  if (kind === CHUNK_IMAGE) return MAX_IMAGE_BYTES;
  if (kind === CHUNK_PAGES) return MAX_PAGES_BYTES;
  return kind === CHUNK_TABLE ? chunks * TABLE_ENTRY_BYTES : 0;
}

export interface StateHeader {
  readonly config: ArenaConfig;
  /** Chunks before the table. */
  readonly chunks: number;
  /** Arena pages that are in the file. */
  readonly pages: number;
}

export interface ChunkHeader {
  readonly kind: number;
  readonly coding: number;
  readonly rawLength: number;
  readonly storedLength: number;
  /** CRC-32 of the unpacked bytes. */
  readonly checksum: number;
}

/** How the bytes of chunks are packed; the platform has the means (raw deflate, RFC 1951). */
export interface StateCodec {
  deflate(raw: Uint8Array): Uint8Array;
  /** @returns undefined when the bytes are no deflate stream or unpack to another length than `length` */
  inflate(stored: Uint8Array, length: number): Uint8Array | undefined;
}

/**
 * What the names of the arena's words stand for in this version of the program, as one number: a state is a picture of the
 * arena, and is no use to a program that keeps other things at other places.
 */
export function arenaFingerprint(config: ArenaConfig): number {
  const { config: _config, ...regions } = computeLayout(config);
  const names = [control, devices, memslots, mmu, trace, vcpu, ARENA_WORDS_OF_KVM, ARENA_WORDS_OF_CPU, regions];
  const words = names.flatMap((group) => Object.entries(group).filter(([, value]) => typeof value === 'number'));
  const text = words.map(([name, value]) => `${name}=${String(value)}`).toSorted();
  return crc32(asciiBytes(`${ARENA_VERSION} ${text.join(' ')}`));
}

export function encodeHeader({ config, chunks, pages }: StateHeader): Uint8Array {
  const bytes = new Uint8Array(STATE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(STATE_MAGIC);
  view.setUint32(8, STATE_VERSION, true);
  view.setUint32(12, STATE_HEADER_BYTES, true);
  view.setUint32(16, arenaFingerprint(config), true);
  view.setUint32(20, config.vcpus, true);
  view.setUint32(24, config.memslots, true);
  view.setUint32(28, config.shadowPages, true);
  view.setUint32(32, config.traceRecords, true);
  view.setFloat64(40, config.ramBytes, true);
  view.setUint32(48, chunks, true);
  view.setUint32(52, pages, true);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/** @throws RestoreRefused */
export function decodeHeader(bytes: Uint8Array): StateHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  refuseUnless(
    STATE_MAGIC.every((byte, at) => bytes[at] === byte),
    'it is no machine state of Umbra: it begins otherwise.',
  );
  const version = view.getUint32(8, true);
  refuseUnless(
    version >= 1 && version <= STATE_VERSION,
    `it is a machine state of format ${version}; this version of Umbra reads formats 1 to ${STATE_VERSION}.`,
  );
  refuseUnless(view.getUint32(60, true) === crc32(bytes.subarray(0, 60)), 'its header is damaged (checksum).');
  refuseUnless(
    view.getUint32(12, true) === STATE_HEADER_BYTES,
    'its header has another length than its format gives it.',
  );
  const config: ArenaConfig = {
    vcpus: view.getUint32(20, true),
    memslots: view.getUint32(24, true),
    shadowPages: view.getUint32(28, true),
    traceRecords: view.getUint32(32, true),
    ramBytes: view.getFloat64(40, true),
  };
  const chunks = view.getUint32(48, true);
  const pages = view.getUint32(52, true);
  // META, IMAG and full chunks of pages but for the last one.
  refuseUnless(
    chunks === 2 + Math.ceil(pages / PAGES_PER_CHUNK),
    'its header counts chunks and pages that do not fit.',
  );
  refuseUnless(pages <= 2 ** 31 / ARENA_PAGE_BYTES, 'its header counts more pages than a machine can have.');
  return { config, chunks, pages };
}

/** Whether a state with this header was written by a program that lays the arena out as this one does. @throws RestoreRefused */
export function checkFingerprint(bytes: Uint8Array, config: ArenaConfig): void {
  const written = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(16, true);
  refuseUnless(
    written === arenaFingerprint(config),
    'it was saved by another version of Umbra, which keeps a machine in memory in another way; open it with that version.',
  );
}

export function encodeChunkHeader({ kind, coding, rawLength, storedLength, checksum }: ChunkHeader): Uint8Array {
  const bytes = new Uint8Array(CHUNK_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of [kind, coding, rawLength, storedLength, checksum].entries()) {
    view.setUint32(at * 4, value, true);
  }
  view.setUint32(20, crc32(bytes.subarray(0, 20)), true);
  return bytes;
}

/** @throws RestoreRefused */
export function decodeChunkHeader(bytes: Uint8Array, expected: number, chunks: number, what: string): ChunkHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  refuseUnless(view.getUint32(20, true) === crc32(bytes.subarray(0, 20)), `the head of ${what} is damaged (checksum).`);
  const [kind, coding, rawLength, storedLength, checksum] = [0, 4, 8, 12, 16].map((at) => view.getUint32(at, true));
  refuseUnless(kind === expected, `${what} is not of the kind that comes there.`);
  refuseUnless(rawLength <= chunkLimit(kind, chunks), `${what} says that it has ${rawLength} bytes, more than it may.`);
  const fits = coding === CODING_STORED ? storedLength === rawLength : storedLength < rawLength;
  refuseUnless(coding <= CODING_DEFLATE && fits, `${what} is packed in a way that no format has.`);
  return { kind, coding, rawLength, storedLength, checksum };
}
