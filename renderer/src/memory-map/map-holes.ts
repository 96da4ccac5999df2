/** Where nothing is on the part of guest physical memory that the map shows. */
import type { MapExtent, MapViewport } from './map-viewport.ts';

/** The widest stretch in sight that none of `taken` covers; all that is in sight when everything is covered. */
export function largestHole(taken: readonly MapExtent[], { start, length }: MapViewport): MapExtent {
  const end = start + length;
  let best: MapExtent = { gpa: start, size: 0n };
  let at = start;
  const sorted = taken.toSorted((a, b) => (a.gpa < b.gpa ? -1 : 1));
  for (const { gpa, size } of [...sorted, { gpa: end, size: 0n }]) {
    const until = gpa < end ? gpa : end;
    if (until - at > best.size) best = { gpa: at, size: until - at };
    if (gpa + size > at) at = gpa + size;
  }
  return best.size > 0n ? best : { gpa: start, size: length };
}
