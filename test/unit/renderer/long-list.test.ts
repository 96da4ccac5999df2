import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isScaled,
  listTop,
  rowsAt,
  scrollTopFor,
  scrolledHeight,
  shownRows,
  shownTop,
  type LongList,
} from '../../../renderer/src/layout/long-list.ts';

/** What Chromium can count: 2²⁵ pixels of the screen. */
const CHROMIUM_MAX = 2 ** 25;

const listOf = (count: number, zoom = 1): LongList => ({ count, rowHeight: 20, viewHeight: 400, zoom });
const anyList = fc
  .record({ count: fc.integer({ min: 30, max: 50_000_000 }), zoom: fc.constantFrom(1, 1.5, 2, 3) })
  .map(({ count, zoom }) => listOf(count, zoom));

describe('a long list', () => {
  it('is never higher than an element can be', () => {
    fc.assert(fc.property(anyList, (list) => scrolledHeight(list) * list.zoom <= CHROMIUM_MAX));
  });

  it('lies pixel by pixel under its bar as long as it fits', () => {
    const million = listOf(1_000_000);
    expect(isScaled(million)).toBe(false);
    expect(listTop(million, 12_345)).toBe(12_345);
  });

  it('begins at its first row and ends at its last, however long it is', () => {
    fc.assert(
      fc.property(anyList, (list) => {
        const end = listTop(list, scrolledHeight(list) - list.viewHeight);
        expect(rowsAt(list, listTop(list, 0), 0).first).toBe(0);
        expect(rowsAt(list, end, 0).last).toBe(list.count - 1);
      }),
    );
  });

  it('can be brought to any of its rows', () => {
    fc.assert(
      fc.property(anyList, fc.double({ min: 0, max: 1, noNaN: true }), (list, part) => {
        const row = Math.floor(part * (list.count - 1));
        const top = listTop(list, scrollTopFor(list, row * list.rowHeight));
        const { first, last } = rowsAt(list, top, 1);
        expect(first).toBeLessThanOrEqual(row);
        expect(last).toBeGreaterThanOrEqual(row);
      }),
    );
  });

  it('shows what is there until what is wanted comes', () => {
    const list = listOf(1_000_000);
    const loaded = { first: 1000, last: 1200 };
    expect(shownTop(list, 1100 * 20, loaded, 0)).toBe(1100 * 20);
    // Twenty rows are seen at once; the last of them is the last there is.
    expect(shownTop(list, 1190 * 20, loaded, 1150 * 20)).toBe(1181 * 20);
    expect(shownTop(list, 990 * 20, loaded, 1150 * 20)).toBe(1000 * 20);
  });

  it('leaves what was shown to a reader who leaps where nothing is yet', () => {
    const list = listOf(1_000_000);
    const loaded = { first: 1000, last: 1200 };
    expect(shownTop(list, 500_000 * 20, loaded, 1100 * 20)).toBe(1100 * 20);
    expect(shownTop(list, 0, loaded, 1100 * 20)).toBe(1100 * 20);
    // Rows that are there no longer cannot be.
    expect(shownTop(list, 0, loaded, 3000 * 20)).toBe(1181 * 20);
    expect(shownTop(list, 500_000 * 20, loaded, 0)).toBe(1000 * 20);
  });

  it('draws no row that is not there beside those that are', () => {
    const list = listOf(1_000_000);
    const loaded = { first: 1000, last: 1200 };
    expect(shownRows(list, shownTop(list, 0, loaded, 0), 6, loaded)).toEqual({ first: 1000, last: 1031 });
    expect(shownRows(list, 500 * 20, 6, { first: 0, last: -1 })).toEqual({ first: 494, last: 525 });
  });

  it('shows empty rows where there is nothing yet', () => {
    expect(shownTop(listOf(1000), 4000, { first: 0, last: -1 }, 0)).toBe(4000);
  });

  it('has no rows when it is empty', () => {
    const { first, last } = rowsAt(listOf(0), 0, 6);
    expect(last).toBeLessThan(first);
  });
});
