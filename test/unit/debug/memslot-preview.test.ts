/** What the preview of a memslot call says is what the call then does, and both are what the sptes and counters show. */
import { describe, expect, it } from 'vitest';
import { ERAS, type Era, type MmuMode } from '../../../core/base/machine-modes.ts';
import type { MemslotChange, SpteRow, UserMemoryRegion } from '../../../core/protocol/snapshots.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

const HVA = 0x7f00_0000_0000n;
const LOG = 1;
const READONLY = 2;
/** Of the storm; one access to each takes five instructions. */
const PAGES = 600;
const WRAP = 0x7fffe;

const region = (changes: Partial<UserMemoryRegion> = {}): UserMemoryRegion => ({
  slot: 5,
  flags: 0,
  guestPhysAddr: 0xc000_0000n,
  memorySize: 0x2000n,
  userspaceAddr: HVA,
  ...changes,
});

type Step =
  | { readonly does: 'run'; readonly insns: number }
  /** The MMIO generation, as far as the era has one. */
  | { readonly does: 'generation'; readonly at: number }
  | { readonly does: 'accept'; readonly what: MemslotChange; readonly region: UserMemoryRegion; readonly wraps?: true }
  | { readonly does: 'refuse'; readonly check: string; readonly region: UserMemoryRegion };

const run = (insns: number): Step => ({ does: 'run', insns });
const generation = (at: number): Step => ({ does: 'generation', at });
const accept = (what: MemslotChange, changes: Partial<UserMemoryRegion> = {}): Step => ({
  does: 'accept',
  what,
  region: region(changes),
});
const wraps = (what: MemslotChange, changes: Partial<UserMemoryRegion> = {}): Step => ({
  does: 'accept',
  what,
  region: region(changes),
  wraps: true,
});
const refuse = (check: string, changes: Partial<UserMemoryRegion>): Step => ({
  does: 'refuse',
  check,
  region: region(changes),
});

const moved = { guestPhysAddr: 0xd000_0000n };
const gone = { memorySize: 0n };
const other = { slot: 6, guestPhysAddr: 0xb000_0000n };

const STEPS: readonly Step[] = [
  refuse('delete-empty', gone),
  accept('CREATE', { slot: 9, guestPhysAddr: 0xa000_0000n }),
  run(27_000),
  refuse('overlap', { guestPhysAddr: 0x1000n }),
  refuse('slot-out-of-range', { slot: 125 }),
  refuse('unknown-flags', { flags: 4 }),
  refuse('size-unaligned', { memorySize: 0x1001n }),
  refuse('gpa-unaligned', { guestPhysAddr: 0x1n }),
  refuse('hva-unaligned', { userspaceAddr: HVA + 1n }),
  accept('CREATE'),
  refuse('hva-changed', { userspaceAddr: HVA + 0x1000n }),
  refuse('size-changed', { memorySize: 0x1000n }),
  refuse('readonly-toggled', { flags: READONLY }),
  refuse('overlap', { ...other, guestPhysAddr: 0xc000_1000n }),
  refuse('overlap', { guestPhysAddr: 0xa000_1000n }),
  accept('NONE'),
  accept('FLAGS_ONLY', { flags: LOG }),
  run(3_200),
  accept('FLAGS_ONLY'),
  accept('CREATE', { ...other, flags: LOG }),
  run(3_200),
  accept('MOVE', moved),
  // The roots of a vCPU that has not run since were zapped already and only wait to be let go of.
  accept('MOVE'),
  accept('DELETE', gone),
  accept('CREATE'),
  run(3_200),
  accept('DELETE', gone),
  run(3_200),
  generation(WRAP - 1),
  run(3_200),
  wraps('CREATE'),
  run(3_200),
  generation(WRAP - 2),
  run(3_200),
  wraps('MOVE', moved),
  run(3_200),
  generation(WRAP - 2),
  accept('FLAGS_ONLY', { ...moved, flags: LOG }),
  run(3_200),
  wraps('FLAGS_ONLY', moved),
  run(3_200),
  generation(WRAP - 1),
  run(3_200),
  wraps('DELETE', gone),
  run(3_200),
  // Past the value that is checked: no zap, and the generation begins anew at 0.
  generation(WRAP + 1),
  run(3_200),
  accept('CREATE'),
  run(1_500),
  // Moved back by hand, which no change does: what goes stale now stands beside what turns fresh again with generation 0.
  generation(WRAP + 1),
  accept('FLAGS_ONLY', { flags: LOG }),
];

/** v3.17 passes an odd generation on the way, v6.8 counts two address spaces. */
const perInstall = (era: Era): bigint => (era === 'v3.17' || era === 'v6.8' ? 2n : 1n);

/** As many changes before its end as the script means; where no two eras agree on numbers, the machine says how many are left. */
function setGeneration(session: TestSession, era: Era, at: number): void {
  if (perInstall(era) === 1n) {
    session.ask('generation.set', { memslotsGeneration: toMemslots(era, at) });
    return;
  }
  const { moment, generationsToWrap } = session.ask('machine.status', {});
  const forward = BigInt(generationsToWrap - (WRAP - at)) * perInstall(era);
  session.ask('generation.set', { memslotsGeneration: moment.memslotsGeneration + forward });
}

/** What is left out of the script: 125 is a slot in v6.8, and there is no way past the end where every value near it is checked. */
const isMeant = (era: Era, step: Step, index: number): boolean =>
  era === 'v6.8' && step.does === 'refuse' && step.check === 'slot-out-of-range'
    ? false
    : perInstall(era) === 1n || index < STEPS.findIndex((one) => one.does === 'generation' && one.at > WRAP);

const toMemslots = (era: Era, mmioGeneration: number): bigint =>
  BigInt.asUintN(19, BigInt(mmioGeneration) - (era === 'v3.11' ? 0x7ffffn - 150n : 0n));

const mmioRows = (session: TestSession): readonly SpteRow[] =>
  session.ask('sptes.rows', { filter: { kinds: ['mmio'] }, offset: 0, limit: 1000 }).rows;
const usedPages = (session: TestSession): number => session.ask('stats.read', {}).usedMmuPages;

function acceptStep(session: TestSession, era: Era, roots: number, step: Extract<Step, { does: 'accept' }>): void {
  const fresh = new Map(mmioRows(session).flatMap((row) => (row.stale ? [] : [[row.sptep, row.value]])));
  const before = session.ask('stats.read', {});
  const previewed = session.ask('memslots.preview', { region: step.region });
  const report = session.ask('memslots.set', { region: step.region });
  expect(previewed, 'the preview').toEqual(report);
  const after = session.ask('stats.read', {});
  const installs = { NONE: 0n, CREATE: 1n, FLAGS_ONLY: 1n, MOVE: 2n, DELETE: 2n }[step.what] * perInstall(era);
  expect(report).toEqual({
    change: step.what,
    generationBefore: before.moment.memslotsGeneration,
    generationAfter: BigInt.asUintN(64, before.moment.memslotsGeneration + installs),
    mmioGenerationBefore: before.moment.mmioGeneration,
    mmioGenerationAfter: after.moment.mmioGeneration,
    mmioSptesGoneStale: mmioRows(session).filter((row) => row.stale && fresh.get(row.sptep) === row.value).length,
    pagesZapped: after.vm.mmu_shadow_zapped - before.vm.mmu_shadow_zapped,
    // A move has zapped all but the roots that the vCPU runs on; a deletion needs no walk.
    pagesWalkedBefore: { CREATE: before.usedMmuPages, MOVE: roots, DELETE: 0, FLAGS_ONLY: 0, NONE: 0 }[step.what],
    wrapped: era !== 'v3.10' && step.wraps === true,
  });
  expect(after.moment.memslotsGeneration).toBe(report.generationAfter);
}

function refuseStep(session: TestSession, step: Extract<Step, { does: 'refuse' }>): void {
  const before = session.ask('memslots.read', {});
  const previewed = session.engine.handle('memslots.preview', { region: step.region });
  const set = session.engine.handle('memslots.set', { region: step.region });
  expect(previewed).toEqual(set);
  expect(set).toMatchObject({ ok: false, error: { code: 'refused', memslot: { check: step.check } } });
  expect(session.ask('memslots.read', {})).toEqual(before);
}

function follow(session: TestSession, era: Era, roots: number, step: Step): void {
  switch (step.does) {
    case 'run':
      session.run(session.ask('machine.status', {}).moment.insns + step.insns);
      return;
    case 'generation':
      if (era !== 'v3.10') setGeneration(session, era, step.at);
      return;
    case 'accept':
      return acceptStep(session, era, roots, step);
    case 'refuse':
      return refuseStep(session, step);
  }
}

const storm = (era: Era, mmu: MmuMode): TestSession =>
  sessionWith('storm', { era, mmu, append: `pages=${PAGES} passes=100000` });

describe.each(ERAS)('in era %s', (era) => {
  // One root, and the four of a guest without paging.
  it.each(['ept', 'shadow'] as const)('under %s a call does what its preview says, step by step', (mmu) => {
    const session = storm(era, mmu);
    const failures: string[] = [];
    for (const [i, step] of STEPS.entries()) {
      if (!isMeant(era, step, i)) continue;
      const asked = 'region' in step ? step.region : undefined;
      try {
        follow(session, era, mmu === 'shadow' ? 4 : 1, step);
      } catch (error) {
        failures.push(`step ${i}: ${step.does} of slot ${asked?.slot}: ${String(error)}`);
      }
    }
    expect(failures).toEqual([]);
  });
});

describe('a slot made over a storm of MMIO', () => {
  it.each([
    { era: 'patch', stale: PAGES + 1, zapped: 0, left: 'all of them' },
    { era: 'v3.11', stale: PAGES + 1, zapped: 0, left: 'all of them' },
    { era: 'v3.10', stale: 0, zapped: 3, left: 'none' },
  ] as const)('leaves $left standing in $era', ({ era, stale, zapped }) => {
    const session = storm(era, 'ept');
    session.run(27_000);
    expect(mmioRows(session)).toHaveLength(PAGES + 1);
    const walked = usedPages(session);
    expect(session.ask('memslots.set', { region: region() })).toMatchObject({
      mmioSptesGoneStale: stale,
      pagesZapped: zapped,
      pagesWalkedBefore: walked,
    });
    expect(mmioRows(session)).toHaveLength(stale);
    expect(usedPages(session)).toBe(walked - zapped);
  });
});
