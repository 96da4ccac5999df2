/** The command as people type it: a process with real streams and a real exit status. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../../scripts/umbra.mjs', import.meta.url));
const umbra = (...words: string[]) => spawnSync(process.execPath, [script, ...words], { encoding: 'utf8', input: '' });

describe('the command umbra', () => {
  it("exits with the guest's status, its serial line alone on standard output", () => {
    const { status, stdout, stderr } = umbra('run', 'hello', '--mem', '8M');
    expect(status).toBe(1);
    expect(stdout.startsWith('Hello from the guest.\r\n')).toBe(true);
    expect(stderr).toContain('umbra: guest exited with status 1');
  });

  it('exits with 2 and a sentence, without a stack, when it is used badly', () => {
    const { status, stdout, stderr } = umbra('run', 'nowhere.elf');
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('nowhere.elf cannot be read: there is no such file');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('says its version', () => {
    const { status, stdout } = umbra('--version');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('says what a run came to when somebody presses Ctrl+C, and exits with 130', async () => {
    const run = spawn(process.execPath, [script, 'run', 'spin', '--json'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let complaints = '';
    run.stderr.on('data', (text) => (complaints += text));
    // The guest has said its first word: the run is on.
    run.stdout.once('data', () => run.kill('SIGINT'));
    const [status, signal] = await new Promise<unknown[]>((resolve) => run.once('close', (...end) => resolve(end)));
    expect({ status, signal }).toEqual({ status: 130, signal: null });
    expect(complaints).toMatch(/umbra: interrupted, after \d+ instructions\n\{"image":"spin","exitStatus":130,/);
  });

  it.runIf(existsSync('/dev/full'))('says that its output is lost, and does not exit as if it were not', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [script, 'run', 'hello'], {
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect(stderr).toContain('umbra: standard output cannot be written: ENOSPC');
    expect(status).toBe(141);
  });

  it('ends without a word when its reader goes away', async () => {
    const demo = spawn(process.execPath, [script, 'demo'], { stdio: ['ignore', 'pipe', 'pipe'] });
    let complaints = '';
    demo.stderr.on('data', (text) => (complaints += text));
    demo.stdout.once('data', () => demo.stdout.destroy());
    const status = await new Promise((resolve) => demo.once('close', resolve));
    expect(complaints).toBe('');
    expect(status).toBe(141);
  });
});
