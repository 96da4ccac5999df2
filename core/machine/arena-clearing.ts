import type { Arena } from '../arena/arena.ts';
import { ARENA_PAGE_BYTES, isZeroPage } from '../arena/zero-pages.ts';

/**
 * Puts the arena back to zero behind the header and the words that threads talk through. Pages that are zero already are
 * only looked at: most of a big machine was never touched, and writing would make the host back it with memory.
 */
export function clearMachineState(arena: Arena): void {
  const { i32, u8, layout } = arena;
  for (let page = layout.vcpus; page < layout.totalBytes; page += ARENA_PAGE_BYTES) {
    if (!isZeroPage(i32, page)) u8.fill(0, page, page + ARENA_PAGE_BYTES);
  }
}
