import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { MmioOutcome } from '../../../renderer/src/api/contract-words.ts';
import { LABORATORIES, type LabFacts, type Laboratory } from '../../../renderer/src/labs/laboratories.ts';
import { parsePlainPage } from '../../../renderer/src/labs/plain-page.ts';
import { sessionWith, type TestSession } from '../debug/debug-guest.ts';

function setUp(lab: Laboratory): TestSession {
  const session = sessionWith(lab.guest, lab.options);
  for (const breakpoint of lab.breakpoints) session.ask('breakpoints.add', breakpoint);
  return session;
}

function facts(session: TestSession, startGeneration = 2n): LabFacts {
  const { records } = session.ask('mmio.log', { since: 0, limit: 1000 });
  return {
    status: session.ask('machine.status', {}),
    startGeneration,
    generation: session.ask('generation.read', {}),
    slots: session.ask('memslots.read', {}),
    stats: session.ask('stats.read', {}),
    polls: new Set<MmioOutcome>(records.filter(({ gpa }) => gpa >> 12n === 0xe0000n).map(({ outcome }) => outcome)),
  };
}

const labOf = (id: string): Laboratory => {
  const lab = LABORATORIES.find((one) => one.id === id);
  if (lab === undefined) throw new Error(`there is no laboratory ${id}`);
  return lab;
};

const slotOver = (session: TestSession, memorySize: bigint, slot = 5, flags = 0) =>
  session.ask('memslots.set', {
    region: { slot, flags, guestPhysAddr: 0xe000_0000n, memorySize, userspaceAddr: 0x7f00_0010_0000n },
  });

describe('a laboratory', () => {
  test.each(LABORATORIES.map((lab) => [lab.id, lab] as const))(
    '%s has a page, and nothing is seen before it began',
    (_id, lab) => {
      const page = readFileSync(new URL(`../../../docs/labs/${lab.id}.md`, import.meta.url), 'utf8');
      const [title] = parsePlainPage(page);
      expect(title).toEqual({ kind: 'title', words: [{ text: lab.title, isCode: false }] });
      expect(lab.steps[0].isSeen(facts(setUp(lab)))).toBe(false);
    },
  );

  test('stale-spte: every step is seen when it has happened, and not before', () => {
    const { steps } = labOf('stale-spte');
    const session = setUp(labOf('stale-spte'));
    session.run(60_000);
    expect(steps.map(({ isSeen }) => isSeen(facts(session)))).toEqual([true, false, false, false]);
    slotOver(session, 0x1000n);
    expect(steps[1].isSeen(facts(session))).toBe(true);
    session.run(60_000_000);
    expect(steps[2].isSeen(facts(session))).toBe(true);
    session.ask('run.step', { vcpu: 0 });
    expect(steps[3].isSeen(facts(session))).toBe(true);
  });

  test('wrap-around: the change that meets the end is seen', () => {
    const { steps } = labOf('wrap-around');
    const session = setUp(labOf('wrap-around'));
    session.run(60_000);
    session.ask('generation.set', { memslotsGeneration: 0x7fffcn });
    expect(steps.map(({ isSeen }) => isSeen(facts(session)))).toEqual([true, true, false]);
    for (let n = 0; n < 4; n++) slotOver(session, n % 2 === 0 ? 0x1000n : 0n);
    expect(steps[2].isSeen(facts(session))).toBe(true);
  });

  test('shadow-paging: the guest runs on 32-bit tables that are shadowed', () => {
    const { steps } = labOf('shadow-paging');
    const session = setUp(labOf('shadow-paging'));
    const stopped = (): string => {
      const { reason } = session.run(5_000_000);
      return reason.kind === 'event-breakpoint' ? reason.event.kind : reason.kind;
    };
    expect(stopped()).toBe('page-fault');
    expect(steps.map(({ isSeen }) => isSeen(facts(session)))).toEqual([true, false]);
    expect(stopped()).toBe('page-fault');
    expect(steps[1].isSeen(facts(session))).toBe(true);
  });

  test('dirty-log: the flag and the pages are seen', () => {
    const { steps } = labOf('dirty-log');
    const session = setUp(labOf('dirty-log'));
    session.run(20_000);
    expect(steps.map(({ isSeen }) => isSeen(facts(session)))).toEqual([true, false, false]);
    const one = session.ask('memslots.read', {}).slots.find(({ id }) => id === 1);
    if (one === undefined) throw new Error('slot 1 is gone');
    const region = { slot: 1, guestPhysAddr: one.gpa, memorySize: one.size, userspaceAddr: one.hva };
    session.ask('memslots.set', { region: { ...region, flags: 1 } });
    expect(steps.map(({ isSeen }) => isSeen(facts(session)))).toEqual([true, true, false]);
    session.run(150_000);
    expect(steps[2].isSeen(facts(session))).toBe(true);
  });
});
