import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readWindowBounds, writeWindowBounds } from '../../../electron/main/window-bounds.ts';

const screen = { x: 0, y: 0, width: 1920, height: 1080 };
const bounds = { x: 100, y: 50, width: 1600, height: 1000 };

describe('where the window was', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-bounds-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const file = (): string => path.join(folder, 'window.json');

  it('is found again', () => {
    writeWindowBounds(file(), { bounds, maximized: true });
    expect(readWindowBounds(file(), [screen])).toEqual({ bounds, maximized: true });
  });

  it('is written with a version', async () => {
    writeWindowBounds(file(), { bounds, maximized: false });
    expect(JSON.parse(await readFile(file(), 'utf8'))).toMatchObject({ version: 1 });
  });

  it.each([
    ['on a display that is gone', { ...bounds, x: 2500 }],
    ['above every display', { ...bounds, y: -500 }],
    ['with only a sliver to take hold of', { ...bounds, x: 1900 }],
  ])('is forgotten when it was %s', (_where, kept) => {
    writeWindowBounds(file(), { bounds: kept, maximized: false });
    expect(readWindowBounds(file(), [screen])).toBeUndefined();
  });

  it.each(['', '{', '{"version":2,"bounds":{},"maximized":false}', '{"version":1,"bounds":{"x":"1"}}', '[]'])(
    'is forgotten when the file says %j',
    async (text) => {
      await writeFile(file(), text);
      expect(readWindowBounds(file(), [screen])).toBeUndefined();
    },
  );

  it('is nowhere at the first start', () => {
    expect(readWindowBounds(path.join(folder, 'missing.json'), [screen])).toBeUndefined();
  });

  it('does not keep the window from closing when it cannot be written', () => {
    expect(() =>
      writeWindowBounds(path.join(folder, 'no', 'such', 'folder.json'), { bounds, maximized: false }),
    ).not.toThrow();
  });
});
