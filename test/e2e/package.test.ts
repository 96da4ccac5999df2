/** The packaged program: item 19 of the security checklist (fuses), what is in it, and that it starts. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { listPackage } from '@electron/asar';
import { FuseV1Options, getCurrentFuseWire } from '@electron/fuses';
import { FuseState } from '@electron/fuses/dist/constants.js';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { packageUnpacked } from '../../scripts/package/unpacked-directory.mjs';

describe.runIf(process.platform === 'linux')('the packaged program', () => {
  let folder = '';
  const unpacked = (...parts: string[]): string => path.join(folder, 'package', 'linux-unpacked', ...parts);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-package-'));
    await packageUnpacked(inject('runtime'), { output: path.join(folder, 'package') });
  });
  // Chromium's helpers write for a moment longer than the program lives.
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));

  it.each([
    ['RunAsNode', FuseV1Options.RunAsNode, FuseState.DISABLE],
    ['EnableNodeOptionsEnvironmentVariable', FuseV1Options.EnableNodeOptionsEnvironmentVariable, FuseState.DISABLE],
    ['EnableNodeCliInspectArguments', FuseV1Options.EnableNodeCliInspectArguments, FuseState.DISABLE],
    ['EnableEmbeddedAsarIntegrityValidation', FuseV1Options.EnableEmbeddedAsarIntegrityValidation, FuseState.ENABLE],
    ['OnlyLoadAppFromAsar', FuseV1Options.OnlyLoadAppFromAsar, FuseState.ENABLE],
    ['LoadBrowserProcessSpecificV8Snapshot', FuseV1Options.LoadBrowserProcessSpecificV8Snapshot, FuseState.DISABLE],
    ['GrantFileProtocolExtraPrivileges', FuseV1Options.GrantFileProtocolExtraPrivileges, FuseState.DISABLE],
    ['EnableCookieEncryption', FuseV1Options.EnableCookieEncryption, FuseState.DISABLE],
  ])('19: has the fuse %s as we want it', async (_name, fuse, expected) => {
    const wire = await getCurrentFuseWire(unpacked('umbra'));
    expect(wire[fuse]).toBe(expected);
  });

  it('holds the built program, its three libraries, and nothing else', async () => {
    const files = listPackage(unpacked('resources', 'app.asar'), { isPack: false });
    const tops = new Set(
      files.map((file) =>
        file
          .split('/')
          .slice(1, file.startsWith('/node_modules/') ? 3 : 2)
          .join('/'),
      ),
    );
    expect([...tops].toSorted()).toEqual([
      'node_modules',
      'node_modules/commander',
      'node_modules/iced-x86',
      'node_modules/valibot',
      'out',
      'package.json',
    ]);
    expect(files).toContain('/out/main/engine-worker.js');
    expect(files.filter((file) => file.endsWith('.map') || file.startsWith('/out/cli'))).toEqual([]);
    expect(await readdir(unpacked('resources'))).toEqual(['app.asar']);
  });

  it('starts, and shows its page', async () => {
    const args = [...inject('switches'), '--remote-debugging-port=0', `--user-data-dir=${path.join(folder, 'user')}`];
    const child = spawn(unpacked('umbra'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      const endpoint = await new Promise<string>((resolve, reject) => {
        let text = '';
        child.once('exit', (status) => reject(new Error(`it ended with status ${status}: ${text}`)));
        child.stderr.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
          const announced = /DevTools listening on (ws:\S+)/.exec(text);
          if (announced) resolve(announced[1]);
        });
      });
      const browser = await chromium.connectOverCDP(endpoint);
      const [context] = browser.contexts();
      const page = context.pages().at(0) ?? (await context.waitForEvent('page'));
      await page.waitForURL('app://umbra/index.html');
      // The engine answers, so its worker started from inside the archive.
      const status = await page.evaluate(() => window.umbra.request('engine.hello', { version: 1 }));
      expect(status).toMatchObject({ ok: true });
      await browser.close();
    } finally {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
    }
  });
});
