/** Breakpoints on MMIO faults by cause, under each MMU and in kernels with and without generations: what they say is what comes. */
import { describe, expect, it } from 'vitest';
import type { MmioOutcome } from '../../../core/base/mmio-outcomes.ts';
import { ERAS } from '../../../core/base/machine-modes.ts';
import type { Params } from '../../../core/protocol/requests.ts';
import type { MmioFaultRecord, MmioFaultPreview } from '../../../core/protocol/snapshots.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

const MODES = ['ept', 'npt', 'shadow'] as const;
const POLLED = 0xe000_0000n;
const SCREEN = { start: 0xb_8000n, length: 0x8000n };
const PAGE = { start: POLLED, length: 0x1000n };
const SLOT = { slot: 5, flags: 0, guestPhysAddr: 0xc000_0000n, memorySize: 0x1000n, userspaceAddr: 0x7f00_0000_0000n };
const MOST = 2_000_000;

type Mmio = Extract<Params<'breakpoints.add'>['spec'], { kind: 'mmio' }>;
type Others = Omit<Params<'breakpoints.add'>, 'spec'>;

const add = (session: TestSession, spec: Partial<Mmio>, others: Others = {}): number =>
  session.ask('breakpoints.add', {
    spec: { kind: 'mmio', ...PAGE, access: 'any', outcomes: [], freshness: 'any', ...spec },
    ...others,
  }).id;

function faultAt(session: TestSession): MmioFaultPreview {
  const { reason } = session.run(session.ask('machine.status', {}).moment.insns + MOST);
  if (reason.kind !== 'mmio-breakpoint') throw new Error(`stopped by ${reason.kind}`);
  return reason.fault;
}

/** The fault in front of which the machine stands, when it has happened. */
function happened(session: TestSession): MmioFaultRecord {
  const { total } = session.ask('mmio.log', { since: 0, limit: 1 });
  session.ask('breakpoints.replace', { breakpoints: [] });
  session.ask('run.step', { vcpu: 0 });
  return session.ask('mmio.log', { since: total, limit: 1 }).records[0];
}

const CASES = MODES.flatMap((mmu) => ERAS.map((era) => ({ mmu, era })));

describe.each(CASES)('under $mmu in $era a breakpoint on MMIO faults', ({ mmu, era }) => {
  const polling = (): TestSession => sessionWith('poller', { mmu, era, append: 'mode=32 pause=5' });

  function stopsAt(session: TestSession, outcome: MmioOutcome): void {
    const fault = faultAt(session);
    expect(fault).toMatchObject({ outcome, access: 'read' });
    const { gpa, spteGen, kvmGen } = fault;
    // What the vCPU's cache answers has looked at no spte.
    const seen = outcome === 'CACHED' ? {} : { spteGen };
    expect(happened(session)).toMatchObject({ outcome, gpa, access: 'read', kvmGen, ...seen });
  }

  it.each(['FIRST', 'EMULATE', 'CACHED'] as const)('of which %s comes', (outcome) => {
    const session = polling();
    add(session, { outcomes: [outcome], access: 'read' });
    stopsAt(session, outcome);
  });

  it('of a stale spte stops after a change of memslots, where sptes go stale', () => {
    const session = polling();
    session.run(300_000);
    add(session, { freshness: 'stale', access: 'read' });
    expect(session.run(400_000).reason.kind, 'nothing is stale yet').toBe('paused');
    session.ask('memslots.set', { region: SLOT });
    if (era === 'v3.10') {
      // There the change has dropped them all.
      expect(session.run(500_000).reason.kind).toBe('paused');
    } else stopsAt(session, 'INVALID');
  });

  it('of writes, with condition, count of hits, once, another vCPU and a log text', () => {
    const session = polling();
    add(session, { ...SCREEN, access: 'write' }, { vcpu: 1 });
    add(session, { ...SCREEN, access: 'read' });
    const noted = add(
      session,
      { ...SCREEN, access: 'write' },
      { log: 'wrote {event.gpa} {event.outcome}', condition: 'event.gpa < 0xb8004' },
    );
    const third = add(
      session,
      { ...SCREEN, access: 'write' },
      { stopAtHit: 3, once: true, condition: 'event.gpa >= 0xb8002' },
    );
    const fault = faultAt(session);
    expect(fault.gpa).toBeGreaterThanOrEqual(SCREEN.start + 2n);
    expect(fault.access).toBe('write');
    const list = session.ask('breakpoints.list', {});
    expect(list.find(({ id }) => id === third)).toMatchObject({ hits: 3, enabled: false });
    const { lines } = session.ask('breakpoints.log', { since: 0, limit: 10 });
    expect(lines.length).toBeGreaterThan(0);
    expect(
      lines.every(({ breakpoint, text }) => breakpoint === noted && /^wrote (?:0xb800[0-3]|75\d{4}) \w+$/.test(text)),
    ).toBe(true);
  });
});
