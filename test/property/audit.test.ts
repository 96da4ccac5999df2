/**
 * Random scripts of guest accesses, guest-table writes, mode switches, memslot changes, dirty-log reads, quota and generation
 * changes, over every MMU and era. After every step the auditor must be silent, and every access must see what an oracle that
 * knows only memslots and guest tables allows. AUDIT_RUNS and AUDIT_STEPS make it longer, AUDIT_SEED repeats a run.
 */
import fc from 'fast-check';
import { describe, test } from 'vitest';
import { HOST_PAGES } from '../../core/base/host-pages.ts';
import { ERAS, MMU_MODES } from '../../core/base/machine-modes.ts';
import { playScript, scriptText } from './audit-script.ts';
import { arbitraryScript } from './audit-steps.ts';

const RUNS = Number(process.env['AUDIT_RUNS'] ?? 5);
const STEPS = Number(process.env['AUDIT_STEPS'] ?? 40);
const SEED = process.env['AUDIT_SEED'];

describe.each(MMU_MODES.flatMap((mmu) => ERAS.map((era) => [mmu, era] as const)))('%s, %s', (mmu, era) => {
  test('every access sees memory as the slots have it, and the auditor is silent after every step', () => {
    const machine = fc.record({
      mmu: fc.constant(mmu),
      era: fc.constant(era),
      hostPages: fc.constantFrom(...HOST_PAGES),
      vcpus: fc.constantFrom(1, 2),
      eptAd: mmu === 'ept' ? fc.boolean() : fc.constant(false),
    });
    fc.assert(
      fc.property(machine, arbitraryScript(STEPS), (options, steps) => void playScript(options, steps)),
      {
        numRuns: RUNS,
        ...(SEED === undefined ? {} : { seed: Number(SEED) }),
        reporter: ({ failed, counterexample, errorInstance, seed, numShrinks }) => {
          if (!failed || counterexample === null) return;
          const reason = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
          throw new Error(`${reason}\nseed ${seed}, after ${numShrinks} shrinks:\n${scriptText(...counterexample)}`);
        },
      },
    );
  }, 600_000);
});
