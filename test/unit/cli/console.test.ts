import { describe, expect, it } from 'vitest';
import { umbra } from './cli-runner.ts';

const console = (lines: readonly string[], ...words: readonly string[]) =>
  umbra(['console', 'poller', '--mem', '8M', ...words], lines.join('\n'));

describe('umbra console', () => {
  it('takes lines, waits for a guest that runs, and reads like a session', async () => {
    const { status, stdout, stderr } = await console([
      '# as far as the first poll of an MMIO spte',
      'break mmio:0xe0000000+0x1000:read:fresh',
      'continue',
      'sptes mmio gfn=0xe0000',
      'shrink 2',
      'quit',
      'never reached',
    ]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /> continue\n[^>]*breakpoint 1: MMIO read of 0xe0000000, \w+ .*, after \d+ instructions\n=> 0x/,
    );
    expect(stdout).toMatch(/level 1, mmio, gfn 0xe0000, .*fresh/);
    expect(stdout).toMatch(/> shrink 2\n\d+ shadow pages given back\n$/);
    expect(status).toBe(0);
  });

  it('exits with 1 when a line of a file was refused, and goes on behind it', async () => {
    const { status, stdout } = await console(['print rax +* 2', 'print 1 + 1']);
    expect(stdout.split('\n').slice(0, 2)).toEqual(['> print rax +* 2', '             ^']);
    expect(stdout).toMatch(/\nEINVAL: .*\n> print 1 \+ 1\n2\n$/);
    expect(status).toBe(1);
  });
});
