/** Counts MMIO sptes by looking at every entry. Pure: nothing changes, and a running machine may be read. */
import type { Arena } from '../../arena/arena.ts';
import { MMU_PAGE_BYTES, SP_IN_USE } from '../../arena/mmu-layout.ts';
import { currentMmioGeneration } from '../eras.ts';
import { isMmioSpte, mmioSpteFormatOf, mmioSpteGeneration } from '../spte/spte-mmio.ts';

const SHADOW_PAGE_BYTES = 4096;

export interface MmioSpteCount {
  /** All of them, in an era without a generation. */
  readonly fresh: number;
  readonly stale: number;
}

/** @param generation the one that counts as fresh; the current one unless told */
export function countMmioSptes(arena: Arena, generation = currentMmioGeneration(arena)): MmioSpteCount {
  const { i32, layout } = arena;
  const format = mmioSpteFormatOf(arena);
  let fresh = 0;
  let stale = 0;
  for (let page = 0; page < layout.config.shadowPages; page++) {
    if (i32[(layout.mmuPages + page * MMU_PAGE_BYTES + SP_IN_USE) >> 2] === 0) continue;
    const table = (layout.shadowPages + page * SHADOW_PAGE_BYTES) >> 2;
    for (let word = table; word < table + SHADOW_PAGE_BYTES / 4; word += 2) {
      const low = i32[word];
      const high = i32[word + 1];
      if (!isMmioSpte(format, low, high)) continue;
      if (mmioSpteGeneration(format, low, high) === generation) fresh += 1;
      else stale += 1;
    }
  }
  return { fresh, stale };
}
