import { describe, expect, it } from 'vitest';
import { ERAS, MMU_MODES } from '../../../core/base/machine-modes.ts';
import { findRaceLab, RACE_LABS } from '../../../core/debug/race/race-labs.ts';
import { runRace, type RaceEvent, type RaceReport } from '../../../core/debug/race/race-run.ts';
import { parseRaceScript, type RaceScript } from '../../../core/debug/race/race-script.ts';
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

/** Laboratories whose guest has no paging of its own, with three kinds of paging. */
const PAGED = RACE_LABS.filter(({ script }) => !/^paging /m.test(script)).flatMap(({ name, script }) =>
  (['32-bit', 'pae', '4-level'] as const).flatMap((paging) =>
    MMU_MODES.map((mmu) => [name, paging, mmu, script.replace(/^title.*$/m, `$&\npaging ${paging}`)] as const),
  ),
);

/** handle_mmio_page_fault_common takes a present spte for a bug where the map is direct only (check_direct_spte_mmio_pf). */
const isDirect = ([name, , mmu]: (typeof PAGED)[number]): boolean => name !== 'bug-exit' || mmu !== 'shadow';

describe('a laboratory whose guest has paging', () => {
  it.each(PAGED.filter((one) => !isDirect(one)))(
    '%s has no bug to show with %s tables under %s: the spte is not direct, and the guest tries again',
    (_name, _paging, mmu, script) => {
      for (const era of ERAS) {
        const { strikes, events } = run(script, era, mmu);
        expect(strikes['mmio-pf-bug'], era).toBe(0);
        expect(events.find(({ what }) => what.startsWith('released: '))?.what, era).toMatch(/served from RAM/);
      }
    },
  );

  it.each(PAGED.filter(isDirect))(
    '%s shows the same with %s tables under %s, in every era',
    (_name, _paging, mmu, script) => {
      for (const era of ERAS) expect(run(script, era, mmu).failures, era).toEqual([]);
    },
  );
});

const STRUCK: readonly (readonly [string, keyof RaceReport['strikes'], readonly Era[]])[] = [
  ['stale-cache', 'stale-mmio-cache', ['patch', 'v3.11']],
  ['corrupt-spte', 'corrupt-mmio-spte', ['patch', 'v3.11']],
  ['bug-exit', 'mmio-pf-bug', ['patch', 'v3.11', 'v3.10', 'v3.17']],
  ['wrap-after-publishing', 'wrap-after-publishing', ['v3.17']],
  ['resynced-spte', 'resynced-mmio-spte', ['patch', 'v3.11', 'v3.17', 'v6.8']],
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

describe('a line of a script', () => {
  const at = (name: string, era: Era, command: string): RaceEvent => {
    const found = run(labText(name), era).events.find((event) => event.command.startsWith(command));
    if (found === undefined) throw new Error(`${name} has no line ${command}`);
    return found;
  };

  it('says where the update stands, which vCPUs are held, and how many MMIO sptes are believed', () => {
    const installed = at('corrupt-spte', 'v3.17', 'step installed');
    expect(installed.held).toEqual([0]);
    expect(installed.update?.change).toBe('CREATE');
    expect(installed.update?.steps.filter(({ isDone }) => isDone).map(({ name }) => name)).toEqual(['installed']);
    expect(at('corrupt-spte', 'v3.17', 'finish')).toMatchObject({ held: [], update: undefined });
    expect(at('stale-cache', 'v3.11', 'vcpu 0 read').mmioSptes).toEqual({ fresh: 1, stale: 0 });
    expect(at('stale-cache', 'v3.11', 'slot 1').mmioSptes).toEqual({ fresh: 0, stale: 1 });
  });

  it('names the bug that strikes on it, and no other line does', () => {
    const { events } = run(labText('resynced-spte'), 'v6.8');
    expect(events.filter(({ bugs }) => bugs.includes('resynced-mmio-spte')).map(({ command }) => command)).toEqual([
      'vcpu 0 flush',
      'vcpu 0 read 0x80000000',
    ]);
  });
});

describe('a guest with paging', () => {
  const head = 'title t\npaging 4-level\n';
  it.each(['ept', 'npt', 'shadow'] as const)('runs programs of 64-bit code, and INVLPG, under %s', (mmu) => {
    const script = `${head}vcpu 0 program read 0x80000000, write 0x80000004 7\nvcpu 0 run 6\nvcpu 0 invlpg 0x80000000\nvcpu 0 read 0x80000000\nexpect vcpu 0 mmio\n`;
    const { events, failures } = run(script, 'v3.11', mmu);
    expect(failures).toEqual([]);
    expect(events.map(({ what }) => what)).toEqual([
      'written',
      expect.stringMatching(/^6 instructions, served as MMIO/),
      'the guest has its tables read anew',
      expect.stringMatching(/^served as MMIO/),
      'so it is',
    ]);
  });

  it.each([
    ['vcpu 0 invlpg 0x1000', /'invlpg' is for a guest with paging/],
    ['vcpu 0 flush', /'flush' is for a guest with paging/],
    ['paging 5-level', /paging '5-level' must be one of none, 32-bit, pae, 4-level/],
    ['vcpu 0 read 0x0\npaging pae', /'paging' must come before the first command/],
    ['mmu iommu', /mmu 'iommu' must be one of/],
    ['paging pae\nvcpu 0 flush 3', /'3' is too much here/],
  ])('%s is refused with its line', (script, expected) => {
    const refused = parseRaceScript(script);
    expect(refused.ok ? '' : refused.error.message).toMatch(expected);
  });
});
