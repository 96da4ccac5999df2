/**
 * Reads a machine state as its bytes come. Nothing of it is believed: lengths have bounds before anything is allocated for
 * them, what is unpacked has the length that was said, pages are inside the arena and come once.
 */
import type { Arena } from '../../arena/arena.ts';
import { crc32 } from '../../base/crc32.ts';
import { RestoreRefused, refuseUnless } from '../../base/restore-refused.ts';
import { err, ok, type Result } from '../../base/result.ts';
import {
  checkFingerprint,
  CHUNK_HEADER_BYTES,
  CHUNK_IMAGE,
  CHUNK_META,
  CHUNK_PAGES,
  CHUNK_TABLE,
  CODING_STORED,
  decodeChunkHeader,
  decodeHeader,
  STATE_HEADER_BYTES,
  type ChunkHeader,
  type StateCodec,
  type StateHeader,
} from './state-format.ts';
import { unpackPages } from './state-pages.ts';
import { tableOf } from './state-writer.ts';

export interface StateSink {
  /**
   * The state's description came: makes the machine. Its arena is zero behind the words that threads talk through.
   * @throws RestoreRefused
   */
  describe(meta: Uint8Array): Arena;
  image(bytes: Uint8Array): void;
}

interface Expected {
  /** Bytes that are collected before anything is done with them. */
  readonly length: number;
  take(bytes: Uint8Array): Expected | undefined;
}

export class StateReader {
  readonly #sink: StateSink;
  readonly #codec: StateCodec;
  #buffer = new Uint8Array(STATE_HEADER_BYTES);
  #filled = 0;
  #expected: Expected | undefined;
  #read = 0;
  #arena: Arena | undefined;
  #lastPage = -1;
  /** Pages read, and those there are; 0 before the header came. */
  pagesDone = 0;
  pages = 0;
  readonly #chunks: (ChunkHeader & { readonly offset: number })[] = [];

  constructor(sink: StateSink, codec: StateCodec) {
    this.#sink = sink;
    this.#codec = codec;
    this.#expected = { length: STATE_HEADER_BYTES, take: (bytes) => this.#takeHeader(bytes) };
  }

  /** All of a state was read; nothing may follow. */
  get complete(): boolean {
    return this.#expected === undefined;
  }

  /** @returns why the state is refused; the reader is of no use afterwards */
  push(bytes: Uint8Array): Result<undefined, string> {
    try {
      this.#take(bytes);
      return ok(undefined);
    } catch (error) {
      if (error instanceof RestoreRefused) return err(error.message);
      throw error;
    }
  }

  #take(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const expected = this.#expected;
      refuseUnless(expected !== undefined, 'something follows after its end.');
      const part = Math.min(bytes.length - at, expected.length - this.#filled);
      this.#buffer.set(bytes.subarray(at, at + part), this.#filled);
      this.#filled += part;
      at += part;
      // A chunk may be empty: its turn comes without another byte.
      for (let due = this.#expected; due !== undefined && this.#filled === due.length; due = this.#expected) {
        const whole = this.#buffer;
        this.#read += due.length;
        this.#expected = due.take(whole);
        this.#filled = 0;
        this.#buffer = new Uint8Array(this.#expected?.length ?? 0);
      }
    }
  }

  #takeHeader(bytes: Uint8Array): Expected {
    const header = decodeHeader(bytes);
    this.pages = header.pages;
    return this.#chunk(header, bytes);
  }

  #chunk(header: StateHeader, headerBytes: Uint8Array): Expected {
    const index = this.#chunks.length;
    const kind = kindAt(index, header);
    const what = index === header.chunks ? 'its table of chunks' : `chunk ${index} of ${header.chunks}`;
    return {
      length: CHUNK_HEADER_BYTES,
      take: (bytes) => {
        const offset = this.#read - CHUNK_HEADER_BYTES;
        const chunk = decodeChunkHeader(bytes, kind, header.chunks, what);
        return {
          length: chunk.storedLength,
          take: (stored) => {
            this.#takeChunk(chunk, this.#unpacked(chunk, stored, what), what, header, headerBytes);
            if (kind === CHUNK_TABLE) return undefined;
            this.#chunks.push({ ...chunk, offset });
            return this.#chunk(header, headerBytes);
          },
        };
      },
    };
  }

  #unpacked(chunk: ChunkHeader, stored: Uint8Array, what: string): Uint8Array {
    const raw = chunk.coding === CODING_STORED ? stored : this.#codec.inflate(stored, chunk.rawLength);
    refuseUnless(raw !== undefined && raw.length === chunk.rawLength, `${what} cannot be unpacked.`);
    refuseUnless(crc32(raw) === chunk.checksum, `${what} is damaged (checksum).`);
    return raw;
  }

  #takeChunk({ kind }: ChunkHeader, raw: Uint8Array, what: string, header: StateHeader, headerBytes: Uint8Array): void {
    if (kind === CHUNK_META) {
      const arena = this.#sink.describe(raw);
      this.#arena = arena;
      refuseUnless(sameConfig(arena, header), 'its header describes another machine than its options do.');
      checkFingerprint(headerBytes, arena.layout.config);
    } else if (kind === CHUNK_IMAGE) this.#sink.image(raw);
    else if (kind === CHUNK_PAGES) {
      refuseUnless(this.#arena !== undefined, 'pages come before the machine is described.');
      this.#lastPage = unpackPages(this.#arena, raw, this.#lastPage, what);
      this.pagesDone += new DataView(raw.buffer, raw.byteOffset).getUint32(0, true);
    } else {
      const table = tableOf(this.#chunks);
      const same = raw.length === table.length && table.every((byte, at) => byte === raw[at]);
      refuseUnless(same, 'its table of chunks is not that of its chunks.');
      refuseUnless(this.pagesDone === header.pages, `it has ${this.pagesDone} pages and says ${header.pages}.`);
    }
  }
}

function kindAt(index: number, { chunks }: StateHeader): number {
  if (index === 0) return CHUNK_META;
  if (index === 1) return CHUNK_IMAGE;
  return index === chunks ? CHUNK_TABLE : CHUNK_PAGES;
}

function sameConfig({ layout: { config } }: Arena, { config: said }: StateHeader): boolean {
  return (
    config.ramBytes === said.ramBytes &&
    config.vcpus === said.vcpus &&
    config.memslots === said.memslots &&
    config.shadowPages === said.shadowPages &&
    config.traceRecords === said.traceRecords
  );
}
