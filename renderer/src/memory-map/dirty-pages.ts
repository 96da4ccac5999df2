/** The dirty bitmap of a slot as runs of pages, and those as columns of the map. */
import { positionOf } from './map-viewport.ts';
import type { MapViewport } from './map-viewport.ts';

export interface DirtyRun {
  readonly gpa: bigint;
  readonly pages: number;
}

/** @param bitmap a bit a page, the lowest first */
export function dirtyRuns(bitmap: Uint8Array, gpa: bigint): readonly DirtyRun[] {
  const runs: DirtyRun[] = [];
  let start = -1;
  for (let page = 0; page <= bitmap.length * 8; page += 1) {
    const isDirty = page < bitmap.length * 8 && (bitmap[page >> 3] & (1 << (page & 7))) !== 0;
    if (isDirty && start < 0) start = page;
    if (isDirty || start < 0) continue;
    runs.push({ gpa: gpa + BigInt(start) * 0x1000n, pages: page - start });
    start = -1;
  }
  return runs;
}

export interface DirtyCell {
  readonly x: number;
  readonly width: number;
  readonly pages: number;
}

const MIN_WIDTH = 2;

/** Runs that fall on the same pixels become one column. */
export function dirtyCells(runs: readonly DirtyRun[], viewport: MapViewport, width: number): readonly DirtyCell[] {
  const cells: DirtyCell[] = [];
  for (const { gpa, pages } of runs) {
    const left = Math.round(positionOf(viewport, gpa, width));
    const right = positionOf(viewport, gpa + BigInt(pages) * 0x1000n, width);
    if (right < 0 || left > width) continue;
    const last = cells.at(-1);
    const end = Math.max(left + MIN_WIDTH, Math.round(right));
    if (last !== undefined && left <= last.x + last.width) {
      cells[cells.length - 1] = { x: last.x, width: Math.max(last.width, end - last.x), pages: last.pages + pages };
    } else cells.push({ x: left, width: end - left, pages });
  }
  return cells;
}
