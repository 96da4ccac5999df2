/** Bundles are built when their sources are newer, by one process at a time. */
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { buildIfStale } from '../../../scripts/build/freshness.mjs';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(path.join(tmpdir(), 'umbra-fresh-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string): string => path.join(folder, name);
let builds = 0;
const product = () => ({
  stamp: at('built/stamp'),
  lock: at('building'),
  sources: [at('source')],
  build: () => {
    builds += 1;
    return new Promise<void>((resolve) => setImmediate(resolve));
  },
});
const write = (ageMs: number): void => {
  writeFileSync(at('source'), '');
  const when = new Date(Date.now() - ageMs);
  utimesSync(at('source'), when, when);
};

beforeEach(() => void (builds = 0));

it('builds what is missing or stale, and nothing else', async () => {
  write(5000);
  expect(await buildIfStale(product())).toBe(true);
  expect(await buildIfStale(product())).toBe(false);
  write(-5000);
  expect(await buildIfStale(product())).toBe(true);
  expect(builds).toBe(2);
});

it('lets those who come meanwhile wait, and does not build for them again', async () => {
  write(5000);
  expect((await Promise.all([1, 2, 3].map(() => buildIfStale(product())))).filter(Boolean)).toEqual([true]);
  expect(builds).toBe(1);
  expect(existsSync(at('building'))).toBe(false);
});

it('takes the place of a builder that died', async () => {
  write(5000);
  // No process has a number like this.
  writeFileSync(at('building'), String(2 ** 30));
  expect(await buildIfStale(product())).toBe(true);
  expect(Number(readFileSync(at('built/stamp'), 'utf8'))).toBeGreaterThan(0);
});

it('does not stand in the way after a build that failed', async () => {
  write(5000);
  const fails = { ...product(), build: () => Promise.reject(new Error('no')) };
  await expect(buildIfStale(fails)).rejects.toThrow('no');
  expect(await buildIfStale(product())).toBe(true);
});
