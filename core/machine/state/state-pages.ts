/**
 * Which pages of the arena a state consists of, and chunks of them. The header and the words that threads talk through stay
 * with the process; of the rest a page of zeros is not written down.
 */
import type { Arena } from '../../arena/arena.ts';
import { ARENA_PAGE_BYTES, isZeroPage } from '../../arena/zero-pages.ts';
import { refuseUnless } from '../../base/restore-refused.ts';
import { PAGES_PER_CHUNK } from './state-format.ts';

/** Indexes of the pages in use, ascending. */
export function usedPages({ i32, layout }: Arena): Uint32Array {
  const found = new Uint32Array((layout.totalBytes - layout.vcpus) / ARENA_PAGE_BYTES);
  let count = 0;
  for (let page = layout.vcpus / ARENA_PAGE_BYTES; page < layout.totalBytes / ARENA_PAGE_BYTES; page++) {
    if (!isZeroPage(i32, page * ARENA_PAGE_BYTES)) found[count++] = page;
  }
  return found.slice(0, count);
}

/** A count, the pages' indexes, their bytes. */
export function packPages(arena: Arena, pages: Uint32Array): Uint8Array {
  const raw = new Uint8Array(4 + pages.length * (4 + ARENA_PAGE_BYTES));
  const view = new DataView(raw.buffer);
  view.setUint32(0, pages.length, true);
  for (const [at, page] of pages.entries()) {
    view.setUint32(4 + 4 * at, page, true);
    const start = page * ARENA_PAGE_BYTES;
    raw.set(arena.u8.subarray(start, start + ARENA_PAGE_BYTES), 4 + 4 * pages.length + at * ARENA_PAGE_BYTES);
  }
  return raw;
}

/**
 * Writes the pages of a chunk to an arena that is zero so far.
 * @param after the last page written before; each may come once, in ascending order
 * @returns the last page written now
 * @throws RestoreRefused
 */
export function unpackPages(arena: Arena, raw: Uint8Array, after: number, what: string): number {
  refuseUnless(raw.length >= 4, `${what} holds no count of its pages.`);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const count = view.getUint32(0, true);
  refuseUnless(count >= 1 && count <= PAGES_PER_CHUNK, `${what} says that it holds ${count} pages.`);
  refuseUnless(raw.length === 4 + count * (4 + ARENA_PAGE_BYTES), `${what} is not as long as its ${count} pages.`);
  const { layout } = arena;
  let last = after;
  for (let at = 0; at < count; at++) {
    const page = view.getUint32(4 + 4 * at, true);
    refuseUnless(page > last, `${what} repeats page ${page}, or has it in the wrong place.`);
    const inside = page >= layout.vcpus / ARENA_PAGE_BYTES && page < layout.totalBytes / ARENA_PAGE_BYTES;
    refuseUnless(inside, `${what} names page ${page}, which this machine does not have.`);
    const from = 4 + 4 * count + at * ARENA_PAGE_BYTES;
    arena.u8.set(raw.subarray(from, from + ARENA_PAGE_BYTES), page * ARENA_PAGE_BYTES);
    last = page;
  }
  return last;
}
