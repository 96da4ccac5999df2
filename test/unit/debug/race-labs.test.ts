import { describe, expect, it } from 'vitest';
import { ERAS, MMU_MODES } from '../../../core/base/machine-modes.ts';
import { findRaceLab, RACE_LABS } from '../../../core/debug/race-labs.ts';
import { runRace, type RaceReport } from '../../../core/debug/race-run.ts';
import { parseRaceScript, type RaceScript } from '../../../core/debug/race-script.ts';
import type { Era, MmuMode } from '../../../core/base/machine-modes.ts';

function parsed(text: string): RaceScript {
  const script = parseRaceScript(text);
  if (!script.ok) throw new Error(`line ${script.error.line}: ${script.error.message}`);
  return script.value;
}

function run(text: string, era: Era, mmu: MmuMode = 'ept'): RaceReport {
  const report = runRace(parsed(text), { era, mmu, maxPhyAddr: 40 });
  if (!report.ok) throw new Error(`line ${report.error.line}: ${report.error.message}`);
  return report.value;
}

const labText = (name: string): string => {
  const found = findRaceLab(name);
  if (found === undefined) throw new Error(name);
  return found.script;
};

const EVERY = RACE_LABS.flatMap(({ name }) => ERAS.flatMap((era) => MMU_MODES.map((mmu) => [name, era, mmu] as const)));

describe('every laboratory', () => {
  it.each(EVERY)('%s shows in %s under %s exactly what that kernel has', (name, era, mmu) => {
    const report = run(labText(name), era, mmu);
    expect(
      report.failures,
      JSON.stringify(
        report.events.map(({ command, what, log }) => [command, what, ...log]),
        null,
        1,
      ),
    ).toEqual([]);
  });
});

const STRUCK: readonly (readonly [string, keyof RaceReport['strikes'], readonly Era[]])[] = [
  ['stale-cache', 'stale-mmio-cache', ['patch', 'v3.11']],
  ['corrupt-spte', 'corrupt-mmio-spte', ['patch', 'v3.11']],
  ['bug-exit', 'mmio-pf-bug', ['patch', 'v3.11', 'v3.10', 'v3.17']],
  ['wrap-after-publishing', 'wrap-after-publishing', ['v3.17']],
];

describe.each(STRUCK)('the laboratory %s', (name, bug, eras) => {
  it(`meets ${bug} in the eras that have it, and in no other`, () => {
    expect(ERAS.filter((era) => run(labText(name), era).strikes[bug] > 0)).toEqual(eras);
  });

  it('has the bug named in the log', () => {
    const lines = run(labText(name), eras[0]).events.flatMap(({ log }) => log);
    expect(lines.filter((line) => line.startsWith('kvm: ')).length).toBeGreaterThan(0);
  });
});
