import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeptSession } from '../../../electron/main/kept-session.ts';
import { workspaceFile } from '../../../electron/main/workspace-file.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-kept-'));
});
afterEach(() => rm(folder, { recursive: true }));

const text = (notes: string): string =>
  workspaceFile({ image: { name: 'tiny', bytes: Uint8Array.of(0xf4) }, options: {} }, { breakpoints: [], notes });

async function notesOf(kept: KeptSession): Promise<string | undefined> {
  const opened = await kept.open();
  return opened?.kind === 'workspace' ? opened.workspace.notes : undefined;
}

describe('the workspace that is kept', () => {
  it('is offered when the program was not closed, until somebody has decided', async () => {
    await new KeptSession(folder).keep(text('before the crash'), false);
    for (let start = 0; start < 2; start++) {
      const next = new KeptSession(folder);
      expect(await next.ask()).toMatchObject({ why: 'crash', image: 'tiny' });
      expect(await notesOf(next)).toBe('before the crash');
      next.close();
    }
    await new KeptSession(folder).discard();
    expect(await new KeptSession(folder).ask()).toBeUndefined();
  });

  it('is gone when the program is closed and a file has all of it', async () => {
    const kept = new KeptSession(folder);
    await kept.keep(text('written'), true);
    await kept.keep(text('written and saved'), false);
    kept.close();
    await kept.keep(text('too late'), true);
    expect(await new KeptSession(folder).ask()).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it('is gone when the program is closed right after it was saved', async () => {
    const kept = new KeptSession(folder);
    await kept.keep(text('written'), true);
    kept.noteSaved();
    kept.close();
    expect(await new KeptSession(folder).ask()).toBeUndefined();
  });

  it('is offered when the program was closed with something that no file has', async () => {
    const kept = new KeptSession(folder);
    await kept.keep(text('never saved'), true);
    kept.close();
    const next = new KeptSession(folder);
    expect(await next.ask()).toMatchObject({ why: 'unsaved' });
    expect(await notesOf(next)).toBe('never saved');
    await next.discard();
    expect(await new KeptSession(folder).ask()).toBeUndefined();
  });

  it('of a crash is offered before what was not saved, which follows at the next start', async () => {
    const first = new KeptSession(folder);
    await first.keep(text('not saved'), true);
    first.close();
    await new KeptSession(folder).keep(text('crashed'), false);
    const next = new KeptSession(folder);
    expect(await notesOf(next)).toBe('crashed');
    await next.discard();
    expect(await next.ask()).toMatchObject({ why: 'unsaved' });
  });

  it('stays when the window is closed over an engine that has crashed', async () => {
    const kept = new KeptSession(folder);
    await kept.keep(text('engine crashed'), false);
    kept.engineCrashed = true;
    kept.close();
    expect(await new KeptSession(folder).ask()).toMatchObject({ why: 'crash' });
  });
});
