import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERAS, MMU_MODES } from '../../../core/base/machine-modes.ts';
import { CliFailure } from '../../../electron/cli/exit-status.ts';
import { isGood } from '../../../electron/cli/stress.ts';
import { runStress } from '../../../electron/cli/stress-run.ts';
import { bundledThreads } from '../host/bundled-worker.ts';

const launch = await bundledThreads();
const image = new Uint8Array(readFileSync(new URL('../../../electron/guests/smp.elf', import.meta.url)));

const COMBINATIONS = ERAS.flatMap((era) => MMU_MODES.map((mmu) => ({ era, mmu, mode: 'long' as const })));

const failureOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    if (error instanceof CliFailure) return error.message;
    throw error;
  }
  throw new Error('it did not give up');
};

describe('memslot changes under two busy vCPUs', () => {
  test.each([
    ...COMBINATIONS,
    // The direct map of the shadow MMU, and PAE tables under shadow paging.
    { era: 'v6.8', mmu: 'shadow', mode: 'flat' },
    { era: 'v6.8', mmu: 'shadow', mode: 'pae' },
  ] as const)('leave nothing of the old mapping that the era does not allow: $era, $mmu, mode $mode', (combination) => {
    const { era } = combination;
    const report = runStress({ image, launch, vcpus: 2, changes: 200, auditEvery: 50, ...combination });
    expect(report.violations).toEqual([]);
    expect(report.stop).toEqual({ kind: 'exit', status: expect.any(Number) });
    expect(report).toMatchObject({ changes: 200, audits: 4, staleRam: 0 });
    // Until 3.17 a vCPU may believe its MMIO cache after memory came (56f17dd3fbc4), or an spte that was written while the
    // update was in flight (ee3d1570b586). Each such read is named.
    expect(isGood(report, era), JSON.stringify(report.bugStrikes)).toBe(true);
    if (era === 'v3.17' || era === 'v6.8') expect(report.staleReads).toBe(0);
    // Before 4.3 a fault that another vCPU has settled is called a bug.
    if (era === 'v6.8') expect(report.bugExits).toBe(0);
    expect(report.windowReads).toBeGreaterThan(report.windowReadsOfRam);
  });
});

describe('a stress that takes longer than it may', () => {
  test('gives up and says that nothing hangs, with what each vCPU does and who holds mmu_lock', () => {
    const options = { vcpus: 2, mmu: 'ept', era: 'v6.8', mode: 'long', changes: 1_000_000, auditEvery: 1000 } as const;
    const lines = failureOf(() => runStress({ image, launch, ...options, seconds: 2 })).split('\n');
    expect(lines[0]).toMatch(/^the stress gave up after \d+ s: .*; every vCPU comes on: .*, nothing hangs$/);
    expect(lines[1]).toMatch(/^ {2}mmu_lock is (free|held by (the memslot side|vCPU [01]))$/);
    for (const id of [0, 1]) {
      expect(lines[2 + id]).toMatch(
        new RegExp(
          `^ {2}vCPU ${id}: (in guest mode|in KVM|asked to leave guest mode|reading shadow page tables).*requests 0x`,
        ),
      );
    }
  });
});
