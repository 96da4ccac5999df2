/** What was opened last: kept over a start, never more than fit, and nothing believed that is in the file. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecentFiles } from '../../../electron/main/recent-files.ts';

let folder: string;
let kept: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-recent-'));
  kept = path.join(folder, 'recent.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const paths = (recent: RecentFiles): readonly string[] => recent.list().map((file) => path.basename(file.path));

describe('recent files', () => {
  it('are listed newest first, each once, and survive a start', async () => {
    const recent = new RecentFiles(kept);
    for (const name of ['a', 'b', 'a']) await recent.add('image', path.join(folder, name));
    expect(paths(recent)).toEqual(['a', 'b']);
    expect(paths(new RecentFiles(kept))).toEqual(['a', 'b']);
  });

  it('are no more than twenty: the oldest go', async () => {
    const recent = new RecentFiles(kept);
    for (let n = 0; n < 30; n++) await recent.add('workspace', path.join(folder, `${n}`));
    expect(paths(recent)).toEqual(Array.from({ length: 20 }, (_, n) => `${29 - n}`));
    expect(JSON.parse(readFileSync(kept, 'utf8')).files).toHaveLength(20);
  });

  it('say of a file that it is not there any more, and can be taken from the list', async () => {
    const there = path.join(folder, 'there');
    writeFileSync(there, '');
    const recent = new RecentFiles(kept);
    await recent.add('state', path.join(folder, 'gone'));
    await recent.add('state', there);
    expect(recent.list().map(({ missing }) => missing)).toEqual([undefined, 'It is not there any more.']);
    await recent.forget(1);
    expect(paths(recent)).toEqual(['there']);
  });

  it.each([
    ['no JSON', '{'],
    ['another version', '{"version":2,"files":[]}'],
    ['a made-up kind', '{"version":1,"files":[{"kind":"virus","path":"/x","openedAt":1}]}'],
  ])('in a file with %s are none', (_what, text) => {
    writeFileSync(kept, text);
    expect(new RecentFiles(kept).list()).toEqual([]);
  });
});
