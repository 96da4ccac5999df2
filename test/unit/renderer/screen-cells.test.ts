import { describe, expect, it } from 'vitest';
import { screenCharacter, screenFont } from '../../../renderer/src/layout/screen-cells.ts';
import { useScreenStore } from '../../../renderer/src/stores/screen-store.ts';
import { startStores } from './stores.ts';

describe('the text screen', () => {
  it('shows the characters of code page 437', () => {
    expect([0, 1, 32, 65, 126, 127, 128, 0xb0, 0xc9, 0xfe, 255].map(screenCharacter).join('')).toBe(' ☺ A~⌂Ç░╔■\u00a0');
    expect(new Set(Array.from({ length: 256 }, (_, code) => screenCharacter(code))).size).toBe(255);
  });

  it.each([
    ['is scrolled where it would be too small to read', { width: 368, height: 200 }, false, 11],
    ['fills the width of its panel', { width: 720, height: 300 }, false, 15],
    ['is never larger than a title', { width: 2400, height: 1500 }, false, 16],
    ['is shrunk as a whole if that is asked for', { width: 368, height: 200 }, true, 6.4],
    ['is readable before its panel has a size', { width: 0, height: 0 }, true, 11],
  ])('%s', (_what, box, isWhole, px) => {
    expect(screenFont({ columns: 80, rows: 25 }, box, isWhole)).toBeCloseTo(px, 5);
  });

  it('is made of runs of one colour, and the cursor stands alone', async () => {
    await startStores();
    const store = useScreenStore();
    await store.refresh();
    expect(store.rows.map((row) => row.map(({ text, ink, paper }) => `${text} ${ink} on ${paper}`))).toEqual([
      ['A 7 on 0', 'B 7 on 0', '╔C 15 on 1'],
      ['DEF 7 on 0', 'G 7 on 0'],
    ]);
    expect(store.rows[0].map(({ isCursor }) => isCursor)).toEqual([false, true, false]);
    expect(store.rows[1].map(({ blinks }) => blinks)).toEqual([false, true]);
  });
});
