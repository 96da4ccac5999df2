import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERAS, MMU_MODES } from '../../../core/base/machine-modes.ts';
import { isGood } from '../../../electron/cli/stress.ts';
import { runStress } from '../../../electron/cli/stress-run.ts';
import { bundledThreads } from '../host/bundled-worker.ts';

const launch = await bundledThreads();
const image = new Uint8Array(readFileSync(new URL('../../../electron/guests/smp.elf', import.meta.url)));

const COMBINATIONS = ERAS.flatMap((era) => MMU_MODES.map((mmu) => ({ era, mmu, mode: 'long' as const })));

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
