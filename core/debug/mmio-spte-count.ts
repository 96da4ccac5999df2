/** How many MMIO sptes stand in the shadow pages, and how many of them carry a generation. */
import type { Arena } from '../arena/arena.ts';
import { isMmioSpte, mmioSpteGeneration } from '../kvm/spte-mmio.ts';
import { ENTRIES_PER_PAGE, pageInUse, pageTable } from './shadow-page.ts';
import { spteFormat } from './spte-index.ts';

export interface MmioSpteCount {
  /** All of them, in an era without a generation. */
  readonly fresh: number;
  readonly stale: number;
}

/** @param generation which counts as fresh; the current one unless told; −1 calls all of them fresh */
export function countMmioSptes(arena: Arena, generation = spteFormat(arena).generation): MmioSpteCount {
  const { maskLow, maskHigh } = spteFormat(arena);
  let fresh = 0;
  let stale = 0;
  for (let page = 0; page < arena.layout.config.shadowPages; page++) {
    if (!pageInUse(arena, page)) continue;
    const words = pageTable(arena, page) >> 2;
    for (let word = words; word < words + 2 * ENTRIES_PER_PAGE; word += 2) {
      const low = arena.i32[word];
      const high = arena.i32[word + 1];
      if (!isMmioSpte(maskLow, maskHigh, low, high)) continue;
      if (generation < 0 || mmioSpteGeneration(maskLow, maskHigh, low, high) === generation) fresh += 1;
      else stale += 1;
    }
  }
  return { fresh, stale };
}
