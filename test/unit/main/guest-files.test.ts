import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readGuest, readImageFile } from '../../../electron/main/guest-files.ts';

describe('reading an image that the user named', () => {
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-images-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('gives its bytes and its path', async () => {
    const file = path.join(folder, 'tiny.bin');
    await writeFile(file, new Uint8Array([0xf4]));
    expect(await readImageFile(file)).toEqual({ ok: true, value: { name: file, bytes: new Uint8Array([0xf4]) } });
  });

  it('says that there is none', async () => {
    const file = path.join(folder, 'missing.elf');
    expect(await readImageFile(file)).toEqual({ ok: false, message: `${file} cannot be read: there is no such file.` });
  });

  it('says that it is a folder', async () => {
    expect(await readImageFile(folder)).toEqual({ ok: false, message: `${folder} cannot be read: it is a folder.` });
  });

  it('does not begin to read what has no end', async () => {
    expect(await readImageFile('/dev/zero')).toEqual({
      ok: false,
      message: '/dev/zero cannot be read: it is no file but a device or pipe.',
    });
  });

  it('refuses one that is too large before reading it', async () => {
    const file = path.join(folder, 'huge.img');
    await writeFile(file, '');
    await truncate(file, 5 * 2 ** 30);
    expect(await readImageFile(file)).toMatchObject({ ok: false, message: expect.stringContaining('64 MiB at most') });
  });
});

describe('the guests that come with the program', () => {
  it('are looked up by name, not by path', async () => {
    expect(await readGuest('../../package')).toMatchObject({
      ok: false,
      message: expect.stringContaining('there is no guest called ../../package'),
    });
  });
});
