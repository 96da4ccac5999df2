/** Writes a machine state piece by piece, so that nobody holds a whole one and the work can be given up between two. */
import type { Arena } from '../../arena/arena.ts';
import { crc32 } from '../../base/crc32.ts';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_IMAGE,
  CHUNK_META,
  CHUNK_PAGES,
  CHUNK_TABLE,
  CODING_DEFLATE,
  CODING_STORED,
  encodeChunkHeader,
  encodeHeader,
  PAGES_PER_CHUNK,
  STATE_HEADER_BYTES,
  TABLE_ENTRY_BYTES,
  type ChunkHeader,
  type StateCodec,
} from './state-format.ts';
import { packPages, usedPages } from './state-pages.ts';

/** What a state holds beside the arena. */
export interface StateParts {
  /** JSON text, UTF-8. */
  readonly meta: Uint8Array;
  /** The image as it was loaded, for symbols and for starting again. */
  readonly image: Uint8Array;
}

interface WrittenChunk extends ChunkHeader {
  readonly offset: number;
}

export class StateWriter {
  /** Pages in all, and those written so far. */
  readonly pages: number;
  pagesDone = 0;
  /** The next piece, or undefined when the state is complete. */
  readonly next: () => Uint8Array | undefined;

  constructor(arena: Arena, parts: StateParts, codec: StateCodec) {
    const used = usedPages(arena);
    this.pages = used.length;
    const pieces = this.#write(arena, parts, codec, used);
    this.next = () => {
      const { value, done } = pieces.next();
      return done === true ? undefined : value;
    };
  }

  *#write(arena: Arena, parts: StateParts, codec: StateCodec, used: Uint32Array): Generator<Uint8Array, undefined> {
    const chunks = 2 + Math.ceil(used.length / PAGES_PER_CHUNK);
    const written: WrittenChunk[] = [];
    let offset = STATE_HEADER_BYTES;
    const chunk = (kind: number, raw: Uint8Array): Uint8Array => {
      const { header, stored } = packChunk(kind, raw, codec);
      written.push({ ...header, offset });
      offset += CHUNK_HEADER_BYTES + stored.length;
      return joined(encodeChunkHeader(header), stored);
    };
    yield encodeHeader({ config: arena.layout.config, chunks, pages: used.length });
    yield chunk(CHUNK_META, parts.meta);
    yield chunk(CHUNK_IMAGE, parts.image);
    for (let from = 0; from < used.length; from += PAGES_PER_CHUNK) {
      const pages = used.subarray(from, from + PAGES_PER_CHUNK);
      const piece = chunk(CHUNK_PAGES, packPages(arena, pages));
      this.pagesDone += pages.length;
      yield piece;
    }
    yield chunk(CHUNK_TABLE, tableOf(written));
    return undefined;
  }
}

function packChunk(kind: number, raw: Uint8Array, codec: StateCodec) {
  const packed = codec.deflate(raw);
  const deflated = packed.length < raw.length;
  const stored = deflated ? packed : raw;
  const header: ChunkHeader = {
    kind,
    coding: deflated ? CODING_DEFLATE : CODING_STORED,
    rawLength: raw.length,
    storedLength: stored.length,
    checksum: crc32(raw),
  };
  return { header, stored };
}

/** The chunks before the table: kind, both lengths, checksum, and where each begins in the file. */
export function tableOf(chunks: readonly WrittenChunk[]): Uint8Array {
  const bytes = new Uint8Array(chunks.length * TABLE_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, { kind, rawLength, storedLength, checksum, offset }] of chunks.entries()) {
    const at = index * TABLE_ENTRY_BYTES;
    view.setUint32(at, kind, true);
    view.setUint32(at + 4, rawLength, true);
    view.setUint32(at + 8, storedLength, true);
    view.setUint32(at + 12, checksum, true);
    view.setFloat64(at + 16, offset, true);
  }
  return bytes;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
