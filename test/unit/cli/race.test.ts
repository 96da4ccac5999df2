import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERAS } from '../../../core/base/machine-modes.ts';
import { umbra as runUmbra } from './cli-runner.ts';

async function umbra(...words: readonly string[]): Promise<{ status: number | undefined; out: string; err: string }> {
  const { status, stdout, stderr } = await runUmbra(words);
  return { status, out: stdout, err: stderr };
}

const file = (text: string): string => {
  const path = join(mkdtempSync(join(tmpdir(), 'umbra-race-')), 'script.race');
  writeFileSync(path, text);
  return path;
};

describe('umbra race', () => {
  it('tells for every era whether the bug strikes', async () => {
    const { status, out, err } = await umbra('race', 'stale-cache');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out.trim().split('\n')).toEqual([
      'patch  stale-mmio-cache (56f17dd3fbc4) strikes',
      'v3.11  stale-mmio-cache (56f17dd3fbc4) strikes',
      'v3.10  no bug strikes',
      'v3.17  no bug strikes',
      'v6.8   no bug strikes',
    ]);
  });

  it('tells one era line by line, with what the kernel logged', async () => {
    const { status, out } = await umbra('race', 'corrupt-spte', '--era', 'v3.11', '--mmu', 'npt');
    expect(status).toBe(0);
    expect(out).toContain('corrupt-spte:5: vcpu 0 read 0x80000000 hold lookup\n    held: the memslots are read');
    expect(out).toContain('    | kvm: potentially corrupt MMIO cache (ee3d1570b586, fixed in 3.17): vCPU 1');
    expect(out).toContain('v3.11: corrupt-mmio-spte (ee3d1570b586) strikes 2 times');
  });

  it('is one JSON object an era with --json', async () => {
    const { out } = await umbra('race', 'bug-exit', '--json');
    const reports = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { era: string; strikes: Record<string, number> });
    expect(reports.map(({ era }) => era)).toEqual([...ERAS]);
    expect(reports.map(({ strikes }) => strikes['mmio-pf-bug'])).toEqual([1, 1, 1, 1, 0]);
  });

  it('fails when a script promises what does not happen', async () => {
    const script = file('strikes stale-mmio-cache in v6.8\nvcpu 0 read 0x80000000\n');
    const { status, out } = await umbra('race', script, '--era', 'v6.8');
    expect(status).toBe(1);
    expect(out).toContain('FAILED: stale-mmio-cache should strike in v6.8 and did not');
  });

  it.each([
    [() => ['race', file('vcpu 0 read 0x80000000\nfly')], ":2: 'fly' is no command"],
    [() => ['race', file('slot 1 gpa=0 size=4K ram=0')], ':1: in patch: EEXIST'],
    [() => ['race', '/nowhere/at/all'], 'no such laboratory (there are stale-cache, '],
    [() => ['race', 'stale-cache', '--era', 'v2.6'], 'Allowed choices are'],
    [() => ['race'], 'missing required argument'],
  ])('refuses %s with %s', async (words, message) => {
    const { status, err } = await umbra(...words());
    expect(status).toBe(2);
    expect(err).toContain(message);
  });

  it('names the laboratories in its help', async () => {
    const { out } = await umbra('race', '--help');
    for (const name of ['stale-cache', 'corrupt-spte', 'bug-exit', 'wrap-after-publishing'])
      expect(out).toContain(name);
  });
});
