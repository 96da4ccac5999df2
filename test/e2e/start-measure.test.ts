/** The figure of a start in `npm run bench -- window`, against the clock of whoever waits for the program. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { expect, inject, it } from 'vitest';
import { measureStart } from '../../scripts/measure/window-start.mjs';

/** The program stays for so long after it was useful (electron/main/startup-measure.ts). */
const SETTLE_MS = 1500;

it('a start is measured from before the process is made, and useful after it is painted', async () => {
  const userData = await mkdtemp(path.join(os.tmpdir(), 'umbra-e2e-'));
  const place = {
    runtime: inject('runtime'),
    switches: [...inject('switches'), `--user-data-dir=${userData}`],
    env: process.env,
    display: 'that of the tests',
    close: () => rm(userData, { recursive: true, force: true, maxRetries: 10 }),
  };
  try {
    const before = Date.now();
    const figures = await measureStart(place, 1);
    const whole = Date.now() - before;
    const value = (name: string): number => figures.find((one) => one.name === name)?.value ?? Number.NaN;
    expect(value('first paint')).toBeGreaterThan(0);
    expect(value('first useful window')).toBeGreaterThanOrEqual(value('first paint'));
    expect(value('first useful window')).toBeLessThan(whole - SETTLE_MS);
  } finally {
    await place.close();
  }
});
