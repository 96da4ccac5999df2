import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeText, writeWhole } from '../../../electron/main/session-files.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra ünïcode '));
});
afterEach(() => rm(folder, { recursive: true }));

const DRAFT = 'week 3.umbra-workspace.0123456789ab.part';

describe('a file that is saved', () => {
  it('can be read by whom the one before could be read by, and by others as the system has it where it is new', async () => {
    const file = path.join(folder, 'handout.umbra-workspace');
    expect(await writeText(file, 'new')).toBeUndefined();
    expect((await stat(file)).mode & 0o777).toBe(0o666 & ~process.umask());
    await chmod(file, 0o640);
    expect(await writeText(file, 'again')).toBeUndefined();
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect(await readFile(file, 'utf8')).toBe('again');
  });

  it('goes where a link points to, and the link stays one', async () => {
    const file = path.join(folder, 'real');
    const link = path.join(folder, 'link');
    await writeFile(file, 'old');
    await symlink(file, link);
    expect(await writeText(link, 'new')).toBeUndefined();
    expect(await readlink(link)).toBe(file);
    expect(await readFile(file, 'utf8')).toBe('new');
  });

  it('is the old one where writing was given up, and nothing is left beside it', async () => {
    const file = path.join(folder, 'state.umbra-machine');
    await writeFile(file, 'old');
    expect(await writeWhole(file, () => Promise.resolve('given up'))).toBe('given up');
    expect(await writeWhole(file, () => Promise.reject(new Error('the engine is gone')))).toBe(
      `${file} cannot be written: the engine is gone.`,
    );
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['state.umbra-machine']);
  });

  it('takes away what a program that was killed has left of it long ago, and nothing else', async () => {
    const file = path.join(folder, 'week 3.umbra-workspace');
    const others = ['week 3.umbra-workspace.part', 'week 3.umbra-workspace.0123456789ac.part', `other.${DRAFT}`];
    for (const name of [DRAFT, ...others]) await writeFile(path.join(folder, name), 'half');
    const long = new Date(Date.now() - 2 * 60 * 60 * 1000);
    await utimes(path.join(folder, DRAFT), long, long);
    await utimes(path.join(folder, `other.${DRAFT}`), long, long);
    expect(await writeText(file, 'whole')).toBeUndefined();
    expect((await readdir(folder)).toSorted()).toEqual([...others, 'week 3.umbra-workspace'].toSorted());
  });

  it.each([
    ['a folder', '', /cannot be written: it is a folder\.$/],
    ['a place in a folder that is not there', 'nowhere/file', /cannot be written: its folder is not there\.$/],
    [
      'a place below a file',
      'file/below',
      /cannot be written: (its folder is not there|a part of its path is no folder)\.$/,
    ],
    ['a name that is too long', 'x'.repeat(300), /cannot be written: its name is too long\.$/],
  ])('is refused for %s, with the reason', async (_what, name, why) => {
    await writeFile(path.join(folder, 'file'), '');
    await mkdir(path.join(folder, 'empty'));
    expect(await writeText(path.join(folder, name), 'text')).toMatch(why);
    expect((await readdir(folder)).toSorted()).toEqual(['empty', 'file']);
  });
});
