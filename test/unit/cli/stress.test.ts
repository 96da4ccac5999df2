import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runStress } from '../../../electron/cli/stress-run.ts';
import { bundledThreads } from '../host/bundled-worker.ts';

const launch = await bundledThreads();
const image = new Uint8Array(readFileSync(new URL('../../../electron/guests/smp.elf', import.meta.url)));

describe('memslot changes under two busy vCPUs', () => {
  test.each([
    // v3.17 calls a fault that another vCPU has settled a bug; it goes on here, and reads nothing old.
    { era: 'v3.17', mmu: 'npt' },
    { era: 'v6.8', mmu: 'ept' },
  ] as const)('leave nothing of the old mapping to be seen: $era, $mmu', ({ era, mmu }) => {
    const report = runStress({ image, launch, vcpus: 2, mmu, era, changes: 120, auditEvery: 40 });
    expect(report.violations).toEqual([]);
    expect(report).toMatchObject({ changes: 120, audits: 3, staleReads: 0, stop: { kind: 'exit', status: 1 } });
    if (era === 'v6.8') expect(report.bugExits).toBe(0);
    expect(report.windowReads).toBeGreaterThan(report.windowReadsOfRam);
  });
});
