import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ERAS, MMU_MODES } from '../../../core/base/machine-modes.ts';
import { umbra } from './cli-runner.ts';

const script = (text: string): string => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'umbra-audit-')), 'script');
  writeFileSync(file, text);
  return file;
};

/** A slot over the address that the guest polls, once it has polled it. */
const SLOT_OVER_POLLED = script('at 200000 set slot=5 gpa=0xe0000000 size=0x1000 hva=0x7f0000100000\n');

describe('umbra audit', () => {
  test.each(ERAS.map((era, n) => [MMU_MODES[n % MMU_MODES.length], era] as const))(
    'finds nothing in a storm of MMIO under %s, %s',
    async (mmu, era) => {
      const words = ['audit', 'storm', '--append', 'mode=flat pages=20 passes=5', '--mem', '4M'];
      const { status, stdout, stderr } = await umbra([
        ...words,
        '--mmu',
        mmu,
        '--era',
        era,
        '--every',
        '5k',
        '--max-insns',
        '60k',
      ]);
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^\d+ audits over \d+ instructions .* 0 violations, 0 findings/);
      expect(status).toBe(0);
    },
  );

  test('names the bug of an era, which fails only a strict audit', async () => {
    const words = [
      'audit',
      'poller',
      '--append',
      'gpa=0xe0000000 cache=keep',
      '--mem',
      '4M',
      '--max-insns',
      '400k',
      '--era',
      'v3.11',
    ];
    const lenient = await umbra([...words, '--slots', SLOT_OVER_POLLED]);
    expect(lenient.stderr).toContain('mmio-cache: the MMIO cache of vCPU 0 holds gfn 0xe0000, which is in a live slot');
    expect(lenient.stderr).toContain('a known bug of this era: stale mmio cache, mended by 56f17dd3fbc4 (3.17)');
    expect(lenient.stderr).toMatch(/last events that touched it:\n {4}.*umbra_memslot/s);
    expect(lenient.status).toBe(0);
    const strict = await umbra([...words, '--slots', SLOT_OVER_POLLED, '--strict', '--json']);
    expect(strict.status).toBe(1);
    expect(JSON.parse(strict.stdout)).toMatchObject({
      violations: 0,
      eraBugs: 1,
      found: [{ rule: 'mmio-cache', gfn: '0xe0000', eraBug: { name: 'stale mmio cache' } }],
    });
  });

  test('finds no such bug in an era that mended it', async () => {
    const words = [
      'audit',
      'poller',
      '--append',
      'gpa=0xe0000000 cache=keep',
      '--mem',
      '4M',
      '--max-insns',
      '400k',
      '--era',
      'v3.17',
    ];
    const { status, stderr } = await umbra([...words, '--slots', SLOT_OVER_POLLED, '--strict']);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test('refuses an image that is none', async () => {
    const { status, stderr } = await umbra(['audit', 'no-such-guest']);
    expect(status).toBe(2);
    expect(stderr).toContain('no-such-guest');
  });
});
