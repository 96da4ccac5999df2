import { describe, expect, it } from 'vitest';
import { nearest } from '../../../renderer/src/layout/panel-groups.ts';

const box = (left: number, top: number, width: number, height: number) => ({
  left,
  top,
  right: left + width,
  bottom: top + height,
});
/** Two columns; the right one is cut in two. */
const LEFT = box(0, 0, 100, 200);
const UPPER = box(100, 0, 100, 100);
const LOWER = box(100, 100, 100, 100);
const FAR = box(200, 0, 100, 200);

describe('the neighbour of a group of panels', () => {
  it.each([
    ['right', LEFT, [UPPER, LOWER, FAR], 0],
    ['left', FAR, [LEFT, LOWER], 1],
    ['down', UPPER, [LEFT, LOWER, FAR], 1],
    ['up', LOWER, [LEFT, UPPER, FAR], 1],
    ['left', LEFT, [UPPER, LOWER, FAR], undefined],
    ['up', UPPER, [LEFT, LOWER, FAR], undefined],
  ] as const)('to the %s is the nearest one that is seen from it', (direction, here, others, index) => {
    expect(nearest(here, others, direction)).toBe(index);
  });
});
