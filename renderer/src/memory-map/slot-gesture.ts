/** Moving and resizing a slot by pointer and by key: what becomes of its range. */
import type { MapViewport } from './map-viewport.ts';

/** Where a slot is taken hold of: its body, or one of its ends. */
export type Grip = 'move' | 'start' | 'end';

export interface SlotRange {
  readonly gpa: bigint;
  readonly size: bigint;
}

const PAGE = 0x1000n;
const LARGE_PAGE = 0x20_0000n;
const TOP = 1n << 52n;

const roundTo = (value: bigint, step: bigint): bigint => ((value + step / 2n) / step) * step;
const clamp = (value: bigint, low: bigint, high: bigint): bigint => (value < low ? low : value > high ? high : value);

/** Pointers are coarse: what a few pixels stand for, as a power of two between a page and 2 MiB. */
export function snapStep({ length }: MapViewport, width: number): bigint {
  const bytes = (length * 2n) / BigInt(Math.max(1, Math.round(width)));
  let step = PAGE;
  while (step < LARGE_PAGE && step * 2n <= bytes) step *= 2n;
  return step;
}

/** What an arrow key with Control goes: not below 2 MiB, and far enough to get somewhere on what is shown. */
export function largeStep({ length }: MapViewport): bigint {
  let step = LARGE_PAGE;
  while (step * 64n < length) step *= 2n;
  return step;
}

/** The range after its grip went `distance` bytes. Never empty, never outside of the address space. */
export function dragRange({ gpa, size }: SlotRange, grip: Grip, distance: bigint, step: bigint): SlotRange {
  switch (grip) {
    case 'move':
      return { gpa: clamp(roundTo(gpa + distance, step), 0n, TOP - size), size };
    case 'start': {
      const start = clamp(roundTo(gpa + distance, step), 0n, gpa + size - PAGE);
      return { gpa: start, size: gpa + size - start };
    }
    case 'end': {
      const end = clamp(roundTo(gpa + size + distance, step), gpa + PAGE, TOP);
      return { gpa, size: end - gpa };
    }
  }
}

/** An arrow key: one step; with Shift the end moves instead of the whole. */
export const nudgeRange = (range: SlotRange, steps: number, isResize: boolean, step: bigint): SlotRange =>
  isResize
    ? { gpa: range.gpa, size: clamp(range.size + BigInt(steps) * step, PAGE, TOP - range.gpa) }
    : { gpa: clamp(range.gpa + BigInt(steps) * step, 0n, TOP - range.size), size: range.size };

/** Something on the map that can be taken hold of, in pixels. */
export interface Graspable {
  readonly slot: number;
  readonly x: number;
  readonly width: number;
}

const REACH = 4;
/** A narrower box is only moved: its ends would leave no body. */
const MIN_WIDTH_FOR_GRIPS = 18;

/** What the pointer is over; later ones lie on top. */
export function graspAt(
  boxes: readonly Graspable[],
  x: number,
): { readonly slot: number; readonly grip: Grip } | undefined {
  const box = boxes.findLast((one) => x >= one.x - REACH && x <= one.x + one.width + REACH);
  if (box === undefined) return undefined;
  const isWide = box.width >= MIN_WIDTH_FOR_GRIPS;
  if (isWide && x <= box.x + REACH) return { slot: box.slot, grip: 'start' };
  if (isWide && x >= box.x + box.width - REACH) return { slot: box.slot, grip: 'end' };
  return { slot: box.slot, grip: 'move' };
}
