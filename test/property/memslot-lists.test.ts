/**
 * Several memslot changes as one: what the trial of a list says is what carrying it out does, whatever the list, the MMU and
 * the era; the trial changes no byte of the machine; a list of which one call is refused changes none; and the way back leads
 * back.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attachArena } from '../../core/arena/arena.ts';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../core/base/machine-modes.ts';
import type { MemslotOutcome, MemslotSnapshot, UserMemoryRegion } from '../../core/protocol/snapshots.ts';
import { sessionWith, type TestSession } from '../unit/debug/debug-guest.ts';

const HVA = 0x7f00_0000_0000n;
const PAGE = 0x1000n;
const BASE = 0xc000_0000n;
/** What the storm needs to have touched all its pages once. */
const WARM_UP = 6_000;

/** Slots 0 and 1 are the guest's RAM. */
const regions: fc.Arbitrary<UserMemoryRegion> = fc.record({
  slot: fc.integer({ min: 2, max: 5 }),
  flags: fc.constantFrom(0, 0, 1, 2, 3),
  guestPhysAddr: fc.nat({ max: 11 }).map((page) => BASE + BigInt(page) * PAGE),
  memorySize: fc.constantFrom(0n, PAGE, PAGE, 2n * PAGE, 2n * PAGE, 5n * PAGE, 0x1001n),
  userspaceAddr: fc.constantFrom(HVA, HVA + 16n * PAGE),
});
const lists = fc.array(regions, { minLength: 1, maxLength: 6 });

interface Round {
  readonly list: readonly UserMemoryRegion[];
  /** The guest goes on for so long before the list. */
  readonly insns: number;
  /** Moves the generation to so many changes before its wrap-around first. */
  readonly toWrap: number | undefined;
}

const rounds: fc.Arbitrary<readonly Round[]> = fc.array(
  fc.record({
    list: lists,
    insns: fc.constantFrom(0, 700, 2_500),
    toWrap: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
  }),
  { minLength: 4, maxLength: 5 },
);

const slotsOf = (session: TestSession): readonly MemslotSnapshot[] => session.ask('memslots.read', {}).slots;
const withoutDirt = (slots: readonly MemslotSnapshot[]): readonly Omit<MemslotSnapshot, 'dirtyPages'>[] =>
  slots.map(({ dirtyPages: _dirtyPages, ...slot }) => slot);

/** KVM's part of the machine but the shadow pages themselves: vCPUs, slots, what hangs on them, headers, rmaps. */
function photograph(session: TestSession): Buffer {
  const buffer = session.engine.arenaBuffer;
  if (buffer === undefined) throw new Error('there is no machine');
  const { layout } = attachArena(buffer);
  return Buffer.from(Buffer.from(buffer, layout.vcpus, layout.shadowPages - layout.vcpus));
}

function goNearWrap(session: TestSession, era: Era, changes: number): void {
  const { moment, generationsToWrap } = session.ask('machine.status', {});
  if (era === 'v3.10' || generationsToWrap < changes) return;
  const perInstall = BigInt(session.ask('generation.read', {}).perInstall);
  session.ask('generation.set', {
    memslotsGeneration: BigInt.asUintN(
      64,
      moment.memslotsGeneration + BigInt(generationsToWrap - changes) * perInstall,
    ),
  });
}

/** What the reports say, counted on the machine. */
function expectCounted(session: TestSession, outcomes: readonly MemslotOutcome[], before: Counted): void {
  const after = counted(session);
  const reports = outcomes.flatMap((outcome) => (outcome.kind === 'report' ? [outcome.report] : []));
  expect(after.generation).toBe(reports.at(-1)?.generationAfter ?? before.generation);
  const zapped = reports.reduce((sum, { pagesZapped }) => sum + pagesZapped, 0);
  expect(zapped).toBe(after.zapped - before.zapped);
  // What is zapped is neither: only where all MMIO sptes are still there can those that went stale be counted.
  if (zapped > 0 || after.fresh + after.stale !== before.fresh + before.stale) return;
  const goneStale = reports.reduce((sum, { mmioSptesGoneStale }) => sum + mmioSptesGoneStale, 0);
  expect(after.stale - before.stale, 'MMIO sptes that went stale').toBe(goneStale);
}

interface Counted {
  readonly generation: bigint;
  readonly zapped: number;
  /** MMIO sptes. */
  readonly fresh: number;
  readonly stale: number;
}

function counted(session: TestSession): Counted {
  const { moment, vm } = session.ask('stats.read', {});
  const { mmioSptesFresh: fresh, mmioSptesStale: stale } = session.ask('generation.read', {});
  return { generation: moment.memslotsGeneration, zapped: vm.mmu_shadow_zapped, fresh, stale };
}

function playRound(session: TestSession, era: Era, { list, insns, toWrap }: Round): boolean {
  if (insns > 0) session.run(session.ask('machine.status', {}).moment.insns + insns);
  if (toWrap !== undefined) goNearWrap(session, era, toWrap);
  const regionsOfList = [...list];
  const arena = photograph(session);
  const preview = session.ask('memslots.previewAll', { regions: regionsOfList });
  expect(photograph(session).equals(arena), 'the trial changes nothing').toBe(true);
  // One call alone is foretold from what stands there, without a copy: both ways say the same.
  const alone = session.engine.handle('memslots.preview', { region: list[0] });
  expect(preview.outcomes[0]).toEqual(
    alone.ok ? { kind: 'report', report: alone.value } : { kind: 'refusal', refusal: alone.error.memslot },
  );
  const slots = slotsOf(session);
  const before = counted(session);
  const applied = session.ask('memslots.apply', { regions: regionsOfList });
  expect(applied.outcomes, 'what is done is what was foretold').toEqual(preview.outcomes);
  expect(applied.promised).toEqual(preview.outcomes);
  expect(applied.applied).toBe(preview.outcomes.every(({ kind }) => kind === 'report'));
  if (applied.applied) expectCounted(session, applied.outcomes, before);
  else expect(photograph(session).equals(arena), 'a refused list changes nothing').toBe(true);
  if (applied.inverse.length > 0) {
    const back = session.ask('memslots.apply', { regions: [...applied.inverse] });
    expect(back.applied, 'the way back is free').toBe(true);
    expect(withoutDirt(slotsOf(session))).toEqual(withoutDirt(slots));
    session.ask('memslots.apply', { regions: [...back.inverse] });
  }
  return applied.applied;
}

const MODES: readonly (readonly [Era, MmuMode])[] = ERAS.flatMap((era) => MMU_MODES.map((mmu) => [era, mmu] as const));

describe('a list of memslot changes', () => {
  it.each(MODES)('does in %s under %s what its preview says', (era, mmu) => {
    let applied = 0;
    let refused = 0;
    fc.assert(
      fc.property(rounds, (script) => {
        const session = sessionWith('storm', { era, mmu, ramBytes: 4 * 1024 * 1024, append: 'pages=40 passes=100000' });
        session.run(WARM_UP);
        for (const round of script) {
          if (playRound(session, era, round)) applied += 1;
          else refused += 1;
        }
      }),
      { numRuns: 6, seed: 71, endOnFailure: true },
    );
    expect(applied, 'lists that went through').toBeGreaterThan(2);
    expect(refused, 'lists that were refused').toBeGreaterThan(2);
  });

  it('is tried out without a byte of the whole machine being touched', () => {
    const session = sessionWith('storm', { append: 'pages=40 passes=100000' });
    session.run(WARM_UP);
    const region = { slot: 2, flags: 1, guestPhysAddr: BASE, memorySize: PAGE, userspaceAddr: HVA };
    const arena = session.arenaBytes();
    session.ask('memslots.previewAll', { regions: [region, { ...region, memorySize: 0n }] });
    expect(session.isAt(arena)).toBe(true);
  });

  it('stops at the first call that is refused, and names the check and the slot in the way', () => {
    const session = sessionWith('hello');
    const at = (slot: number, page: bigint): UserMemoryRegion => ({
      slot,
      flags: 0,
      guestPhysAddr: BASE + page * PAGE,
      memorySize: PAGE,
      userspaceAddr: HVA,
    });
    const outcomes = session.ask('memslots.previewAll', { regions: [at(2, 0n), at(3, 0n), at(4, 1n)] }).outcomes;
    expect(outcomes).toMatchObject([
      { kind: 'report', report: { change: 'CREATE' } },
      { kind: 'refusal', refusal: { errno: 'EEXIST', check: 'overlap', collidingSlot: 2 } },
      { kind: 'unreached' },
    ]);
  });
});
