import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RowSlots } from '../../../renderer/src/layout/row-slots.ts';

const range = (first: number, count: number): number[] => Array.from({ length: count }, (_unused, i) => first + i);

describe('elements of a long list', () => {
  it.each([
    ['a few rows down', 3],
    ['a few rows up', -3],
    ['to rows of which none was there', 4000],
  ])('are all used again by a reader who goes %s', (_way, distance) => {
    const slots = new RowSlots();
    const before = slots.place(range(5000, 23));
    const after = slots.place(range(5000 + distance, 23));
    expect(after.toSorted((a, b) => a - b)).toEqual(before.toSorted((a, b) => a - b));
  });

  it('stay with the rows that stay', () => {
    const slots = new RowSlots();
    const before = slots.place(range(100, 20));
    const after = slots.place(range(105, 20));
    expect(after.slice(0, 15)).toEqual(before.slice(5));
  });

  it('stand in the same order when all rows are others', () => {
    const slots = new RowSlots();
    const before = slots.place(range(0, 20));
    expect(slots.place(range(9000, 20))).toEqual(before);
  });

  it('are never shared by two rows, and never more than were on screen at once', () => {
    const views = fc.array(fc.record({ first: fc.nat(200), count: fc.nat(40) }), { maxLength: 30 });
    fc.assert(
      fc.property(views, (seen) => {
        const slots = new RowSlots();
        let most = 0;
        for (const { first, count } of seen) {
          most = Math.max(most, count);
          const placed = slots.place(range(first, count));
          expect(new Set(placed).size).toBe(count);
          expect(placed.every((slot) => slot < most)).toBe(true);
        }
      }),
    );
  });
});
