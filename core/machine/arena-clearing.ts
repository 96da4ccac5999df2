import type { Arena } from '../arena/arena.ts';

const CHUNK = 4096;

/**
 * Puts the arena back to zero behind the header and the words that threads talk through. Pages that are zero already are
 * only looked at: most of a big machine was never touched, and writing would make the host back it with memory.
 */
export function clearMachineState(arena: Arena): void {
  const { f64, u8, layout } = arena;
  for (let page = layout.vcpus; page < layout.totalBytes; page += CHUNK) {
    const end = (page + CHUNK) >> 3;
    let at = page >> 3;
    while (at < end && isZero(f64, at)) at += 1;
    if (at < end) u8.fill(0, page, page + CHUNK);
  }
}

/** All 64 bits: −0 compares equal to 0. */
const isZero = (f64: Float64Array, at: number): boolean => Object.is(f64[at], 0);
