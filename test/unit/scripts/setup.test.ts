import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { invocationFolder } from '../../../scripts/launch/command-line.mjs';
import { executableName, openElectronFolder } from '../../../scripts/runtime/electron-folder.mjs';
import { FALLBACK, runtimeFile } from '../../../scripts/runtime/fallback-runtime.mjs';
import { parseDisplay } from '../../../scripts/setup/display.mjs';
import { isSatisfied } from '../../../scripts/setup/npm-packages.mjs';
import { isT64Release } from '../../../scripts/setup/system-libraries.mjs';

describe('whether node_modules is what the lockfile says', () => {
  const wanted = { packages: { '': {}, 'node_modules/a': { version: '1.0.0' } } };

  it.each([
    ['the same versions', { packages: { 'node_modules/a': { version: '1.0.0' } } }, true],
    ['another version', { packages: { 'node_modules/a': { version: '1.0.1' } } }, false],
    ['a package missing', { packages: {} }, false],
    ['nothing installed', undefined, false],
  ])('%s', (_name, installed, expected) => {
    expect(isSatisfied(wanted, installed)).toBe(expected);
  });

  it('does not miss a package that is only for another platform', () => {
    const withOptional = {
      packages: { ...wanted.packages, 'node_modules/b-darwin': { version: '2.0.0', optional: true } },
    };
    expect(isSatisfied(withOptional, { packages: { 'node_modules/a': { version: '1.0.0' } } })).toBe(true);
  });
});

describe('the names of libraries after the change to 64-bit time_t', () => {
  it.each([
    ['ID=debian\nVERSION_ID="12"\n', false],
    ['ID=debian\nVERSION_ID="13"\n', true],
    ['ID=debian\nPRETTY_NAME="Debian GNU/Linux forky/sid"\n', true],
    ['NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="22.04"\n', false],
    ['NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\n', true],
    ['ID=fedora\nVERSION_ID=43\n', false],
  ])('%j: %s', (osRelease, expected) => {
    expect(isT64Release(osRelease)).toBe(expected);
  });
});

describe('the name of a display', () => {
  it.each([
    [':0', [{ path: '/tmp/.X11-unix/X0' }, { path: '\0/tmp/.X11-unix/X0' }]],
    [':12.1', [{ path: '/tmp/.X11-unix/X12' }, { path: '\0/tmp/.X11-unix/X12' }]],
    ['localhost:10.0', [{ host: 'localhost', port: 6010 }]],
    ['display', undefined],
  ])('%s', (display, endpoints) => {
    expect(parseDisplay(display)).toEqual(endpoints);
  });
});

describe('an Electron that the user points at', () => {
  const electronIn = (...application: readonly string[]): string => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-electron-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    mkdirSync(path.join(folder, path.dirname(executableName())), { recursive: true });
    writeFileSync(path.join(folder, executableName()), '');
    mkdirSync(path.join(folder, 'resources', 'app'), { recursive: true });
    for (const file of application) writeFileSync(path.join(folder, 'resources', 'app', file), '');
    return folder;
  };

  it('is what it is called, but for the prepared fallback: that is never to be shipped', () => {
    expect(openElectronFolder(electronIn(), 'override')?.origin).toBe('override');
    expect(openElectronFolder(electronIn('load-application.mjs'), 'override')?.origin).toBe('fallback');
    expect(openElectronFolder(os.tmpdir(), 'override')).toBeUndefined();
  });
});

describe('the fallback runtime', () => {
  it.each([
    ['Cypress/Cypress', 'electron'],
    ['Cypress/icudtl.dat', 'icudtl.dat'],
    ['Cypress/locales/en-US.pak', 'locales/en-US.pak'],
    ['Cypress/resources/app/index.js', undefined],
    ['Cypress/resources/app-update.yml', undefined],
    ['Cypress/browser_v8_context_snapshot.bin', undefined],
    ['Cypress/', undefined],
    ['elsewhere/electron', undefined],
  ])('takes %s as %s', (name, expected) => {
    expect(runtimeFile(name)).toBe(expected);
  });

  it('is pinned by a hash that covers the whole tarball', () => {
    expect(Buffer.from(FALLBACK.integrity.replace('sha512-', ''), 'base64')).toHaveLength(64);
  });
});

describe('file names on the command line', () => {
  it('are meant from where npm was called', () => {
    expect(invocationFolder({ npm_lifecycle_event: 'umbra', INIT_CWD: '/home/user' })).toBe('/home/user');
  });

  it('are meant from the current folder when a test of ours runs the script', () => {
    expect(invocationFolder({ npm_lifecycle_event: 'test', INIT_CWD: '/home/user' })).toBeUndefined();
  });
});
