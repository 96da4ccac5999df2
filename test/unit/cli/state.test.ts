import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { umbra } from './cli-runner.ts';

const folder = mkdtempSync(path.join(os.tmpdir(), 'umbra-state-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);
const TIMER = ['timer', '--mem', '4M', '--append', 'ticks=6 hz=1000'];

test('a run that is saved and gone on with says together what one run says', async () => {
  const whole = await umbra(['run', ...TIMER]);
  expect(whole.status).toBe(1);
  const first = await umbra(['run', ...TIMER, '--max-insns', '20000', '--save-state', at('half.umbra-machine')]);
  expect(first.status).toBe(124);
  const second = await umbra(['run', '--state', at('half.umbra-machine')]);
  expect(second.status).toBe(1);
  expect(first.stdout + second.stdout).toBe(whole.stdout);
});

test('a damaged state is refused with its reason', async () => {
  const bytes = readFileSync(at('half.umbra-machine'));
  bytes[bytes.length >> 1] ^= 4;
  writeFileSync(at('damaged.umbra-machine'), bytes);
  const run = await umbra(['run', '--state', at('damaged.umbra-machine')]);
  expect(run.status).toBe(2);
  expect(run.stderr).toMatch(/cannot be opened: .*(damaged|unpacked)/);
  const missing = await umbra(['run', '--state', at('nothing.umbra-machine')]);
  expect(missing).toMatchObject({ status: 2, stdout: '' });
  expect((await umbra(['run'])).status).toBe(2);
  expect((await umbra(['run', 'timer', '--state', at('half.umbra-machine')])).stderr).toContain('one of the two');
});
