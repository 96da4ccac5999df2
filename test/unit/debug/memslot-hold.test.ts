/** A memslot update of the present machine, held between its steps while chosen vCPUs go on alone. */
import { describe, expect, it } from 'vitest';
import { attachArena } from '../../../core/arena/arena.ts';
import { VCPU_BYTES, VCPU_F_INSNS } from '../../../core/arena/vcpu-layout.ts';
import { ERAS, type Era } from '../../../core/base/machine-modes.ts';
import { memslotStepText } from '../../../core/format/memslot-step-text.ts';
import type { HoldSnapshot, UserMemoryRegion } from '../../../core/protocol/snapshots.ts';
import { sessionWith, type TestSession } from './debug-guest.ts';

const POLLED = 0xe000_0000n;
const HVA = 0x7f00_0000_0000n;
const REFUSED_WHILE_HELD = [
  ['run.continue', {}],
  ['run.step', { vcpu: 0 }],
  ['memslots.dirtyLog', { slot: 1 }],
  ['generation.set', { memslotsGeneration: 40n }],
  ['mmu.setQuota', { pages: 128 }],
  ['audit.run', {}],
  ['state.saveBegin', {}],
] as const;

const over = (slot: number, gpa: bigint, size = 0x1000n): UserMemoryRegion => ({
  slot,
  flags: 0,
  guestPhysAddr: gpa,
  memorySize: size,
  userspaceAddr: HVA,
});
const without = (slot: number): UserMemoryRegion => ({ ...over(slot, 0n), memorySize: 0n });

/** The poller, which has met its hole a few times. */
function poller(era: Era, append = 'pause=10'): TestSession {
  const session = sessionWith('poller', { era, append });
  session.run(40_000);
  return session;
}

const names = ({ held }: HoldSnapshot): readonly string[] => held?.steps.map(({ name }) => name) ?? [];
const stepTo = (session: TestSession, name: string): HoldSnapshot => {
  for (let n = 0; n < 20; n++) {
    const now = session.ask('hold.step', {});
    if (now.held?.steps.find((step) => step.name === name)?.isDone === true) return now;
  }
  throw new Error(`the update never came to ${name}`);
};

function retiredBy({ engine: { arenaBuffer } }: TestSession, vcpus: number): readonly number[] {
  if (arenaBuffer === undefined) throw new Error('there is no machine');
  const { f64, layout } = attachArena(arenaBuffer);
  return Array.from({ length: vcpus }, (_, id) => f64[(layout.vcpus + id * VCPU_BYTES) / 8 + VCPU_F_INSNS]);
}

/** Runs a vCPU alone until it has said what is looked for. */
function aloneUntil(session: TestSession, expected: RegExp): string {
  for (let n = 0; n < 400; n++) {
    const { events } = session.ask('hold.vcpu', { vcpu: 0, insns: 100 });
    const what = events.at(-1)?.what ?? '';
    if (expected.test(what)) return what;
  }
  throw new Error(`nothing like ${String(expected)} has happened`);
}

describe.each(ERAS)('a memslot update held in %s', (era) => {
  it.each([
    ['CREATE', over(2, POLLED)],
    ['DELETE', without(1)],
    ['MOVE', over(1, 0x4000_0000n, 0x70_0000n)],
  ] as const)('leaves, step by step, what an ordinary %s leaves: byte for byte', (change, wanted) => {
    const held = poller(era);
    const whole = poller(era);
    const slot1 = held.ask('memslots.read', {}).slots.find(({ id }) => id === 1);
    if (slot1 === undefined) throw new Error('slot 1 is RAM');
    const region = change === 'MOVE' ? { ...wanted, memorySize: slot1.size, userspaceAddr: slot1.hva } : wanted;
    const begun = held.ask('hold.begin', { regions: [region] });
    expect(begun.held?.change).toBe(change);
    expect(begun.moment.memslotsGeneration).toBe(whole.ask('machine.status', {}).moment.memslotsGeneration);
    let now = begun;
    for (let n = 0; n < names(begun).length; n++) now = held.ask('hold.step', {});
    expect(now.held).toBeUndefined();
    const report = whole.ask('memslots.set', { region });
    expect(now.reports).toEqual([report]);
    expect(held.isLike(whole)).toBe(true);
    expect(held.ask('generation.read', {}).events).toEqual(whole.ask('generation.read', {}).events);
  });

  it('goes through its steps in the order of the era, and each has words', () => {
    const session = poller(era);
    const steps = names(session.ask('hold.begin', { regions: [without(1)] }));
    const install = {
      'v3.10': ['installed', 'settled', 'drained'],
      patch: ['installed', 'settled', 'drained'],
      'v3.11': ['installed', 'settled', 'drained'],
      'v3.17': ['installed', 'drained', 'settled', 'wrap-checked'],
      'v6.8': ['installed', 'drained', 'wrap-checked', 'settled'],
    }[era];
    const late = era === 'v3.17' || era === 'v6.8' ? [] : ['wrap-checked'];
    const first = install.map((name) => `invalid-${name}`);
    expect(steps).toEqual([...first, 'flushed', ...install, 'committed', ...late, 'freed']);
    for (const name of steps) expect(memslotStepText(era, name).meaning, name).not.toBe('');
  });

  it('shows the slot INVALID to whoever looks, while it is on its way out', () => {
    const session = poller(era);
    session.ask('hold.begin', { regions: [without(1)] });
    const at = stepTo(session, 'invalid-installed');
    expect(session.ask('memslots.read', {}).slots.find(({ id }) => id === 1)?.invalid).toBe(true);
    expect(at.moment.heldUpdate).toBe("slot 1: DELETE, held at 'invalid-installed'");
    expect(session.ask('sptes.pages', {}).moment.heldUpdate).toBe(at.moment.heldUpdate);
    expect(
      session.ask('memory.read', { space: 'gpa', vcpu: 0, address: 0n, length: 4 }).moment.heldUpdate,
    ).toBeDefined();
    session.ask('hold.finish', {});
    expect(session.ask('machine.status', {}).moment.heldUpdate).toBeUndefined();
  });

  it('lets a vCPU fault on the slot between the two installs: MMIO up to v3.17, no progress in v6.8', () => {
    const session = poller(era);
    session.ask('memslots.set', { region: over(2, POLLED) });
    session.ask('hold.begin', { regions: [without(2)] });
    stepTo(session, 'flushed');
    if (era === 'v6.8') {
      expect(aloneUntil(session, /again/)).toMatch(/begun again and again: no progress/);
    } else {
      expect(aloneUntil(session, /MMIO|came to/)).toMatch(/of gpa 0xe0000000 came to FIRST/);
    }
    const { held, events } = session.ask('hold.finish', {});
    expect(held).toBeUndefined();
    expect(events.at(-1)?.what).toMatch(/DELETE has returned/);
    session.run(80_000);
    expect(session.serial()).toContain('is MMIO');
  });
});

describe('while an update is held', () => {
  it('refuses what takes slots_lock, running freely, and saving, and says where the update stands', () => {
    const session = poller('v3.11');
    session.ask('hold.begin', { regions: [over(2, POLLED)] });
    session.ask('hold.step', {});
    const copy = session.arenaBytes();
    for (const [name, params] of REFUSED_WHILE_HELD) {
      expect(session.refusal(name, params), name).toMatch(
        /^a memslot update is in flight \(slot 2: CREATE, held at 'installed'\): /,
      );
    }
    for (const name of ['memslots.set', 'memslots.preview'] as const) {
      expect(session.refusal(name, { region: over(3, 0xd000_0000n) }), name).toMatch(/slots_lock/);
    }
    for (const name of ['memslots.apply', 'memslots.previewAll', 'hold.begin'] as const) {
      expect(session.refusal(name, { regions: [over(3, 0xd000_0000n)] }), name).toMatch(/slots_lock/);
    }
    expect(session.isAt(copy)).toBe(true);
  });

  it('moves the chosen vCPU only', () => {
    const session = sessionWith('smp', { vcpus: 3, era: 'v3.17' });
    session.run(20_000);
    const before = retiredBy(session, 3);
    session.ask('hold.begin', { regions: [over(2, POLLED)] });
    session.ask('hold.step', {});
    const { events } = session.ask('hold.vcpu', { vcpu: 2, insns: 3 });
    expect(retiredBy(session, 3).map((insns, id) => insns - before[id])).toEqual([0, 0, 3]);
    expect(events.at(-1)?.what).toMatch(/^vCPU 2: 3\sinstructions retired; /);
  });

  it('runs a vCPU to its next exit, and says which it was', () => {
    const session = poller('v3.11');
    session.ask('hold.begin', { regions: [over(2, POLLED)] });
    const exits = session.ask('stats.read', {}).vcpu.exits;
    const { events } = session.ask('hold.vcpu', { vcpu: 0 });
    expect(session.ask('stats.read', {}).vcpu.exits).toBe(exits + 1);
    expect(events.at(-1)?.what).toMatch(/; 1\sexit[^;]*; .*at rip 0x/);
  });

  it('stops a lone vCPU in front of an MMIO fault that has a breakpoint, and goes past it the next time', () => {
    const session = poller('v3.11');
    session.ask('breakpoints.add', {
      spec: { kind: 'mmio', start: POLLED, length: 4096n, access: 'any', outcomes: [], freshness: 'any' },
    });
    session.ask('hold.begin', { regions: [over(2, 0xd000_0000n)] });
    expect(aloneUntil(session, /mmio-breakpoint/)).toMatch(/stopped: mmio-breakpoint/);
    expect(session.ask('machine.status', {}).reason.kind).toBe('mmio-breakpoint');
    const { events } = session.ask('hold.vcpu', { vcpu: 0, insns: 1 });
    expect(events.at(-1)?.what).toMatch(/1\sinstruction retired.*of gpa 0xe0000000 came to/);
  });

  it('forgets it with the machine', () => {
    const session = poller('v6.8');
    session.ask('hold.begin', { regions: [without(1)] });
    stepTo(session, 'flushed');
    session.ask('machine.reset', {});
    expect(session.ask('hold.read', {}).held).toBeUndefined();
    expect(session.ask('memslots.read', {}).slots.find(({ id }) => id === 1)?.invalid).toBe(false);
    session.run(40_000);
    expect(session.serial()).toContain('is MMIO');
  });
});

describe('beginning to hold an update', () => {
  it('is refused with KVM’s check, while the guest runs, and for a call that changes nothing; nothing has changed then', () => {
    const session = poller('v3.11');
    const copy = session.arenaBytes();
    const answer = session.engine.handle('hold.begin', { regions: [over(2, 0x10_0000n)] });
    expect(answer.ok ? undefined : answer.error.memslot).toMatchObject({
      errno: 'EEXIST',
      check: 'overlap',
      collidingSlot: 1,
    });
    const [slot] = session.ask('memslots.read', {}).slots;
    const same = { slot: slot.id, flags: 0, guestPhysAddr: slot.gpa, memorySize: slot.size, userspaceAddr: slot.hva };
    expect(session.refusal('hold.begin', { regions: [same] })).toMatch(/changes nothing/);
    expect(session.refusal('hold.step', {})).toMatch(/no memslot update is held/);
    expect(session.isAt(copy)).toBe(true);
    session.ask('run.continue', {});
    expect(session.refusal('hold.begin', { regions: [over(2, POLLED)] })).toMatch(/pause the machine/);
  });

  it('takes a list of calls one after the other, and gives the calls that take them back', () => {
    const session = poller('v3.17');
    const regions = [over(2, POLLED), over(3, 0xd000_0000n)];
    const begun = session.ask('hold.begin', { regions });
    expect(begun.held).toMatchObject({ call: 1, calls: 2 });
    const second = session.ask('hold.step', { steps: begun.held?.steps.length ?? 0 });
    expect(second.held).toMatchObject({ call: 2, calls: 2, change: 'CREATE' });
    const done = session.ask('hold.finish', {});
    expect(done.reports.map(({ change }) => change)).toEqual(['CREATE', 'CREATE']);
    expect(session.ask('memslots.apply', { regions: [...done.inverse] }).applied).toBe(true);
    expect(session.ask('memslots.read', {}).slots.map(({ id }) => id)).toEqual([0, 1]);
  });
});

describe('the console’s hold', () => {
  it('begins, steps, runs a vCPU and finishes, and tells only what is new', () => {
    const session = poller('v3.11');
    const run = (line: string): string => {
      const { lines, refusal } = session.ask('console.run', { line, vcpu: 0 });
      return refusal === undefined ? lines.join('\n') : `${refusal.errno}: ${refusal.message}`;
    };
    expect(run('hold')).toBe('no memslot update is held.');
    expect(run('slots hold add slot=2 gpa=0xe0000000 size=4K hva=ram')).toMatch(/\[ \] installed {2}\[ \] settled/);
    expect(run('hold step')).toMatch(
      /^installed: the new table is published and the next generation[\s\S]*\[x\] installed {2}\[ \] settled/,
    );
    expect(run('hold vcpu 0 exit')).toMatch(/^vCPU 0: \d+\sinstructions? retired; 1\sexit/);
    expect(run('continue')).toMatch(/^EBUSY: a memslot update is in flight/);
    expect(run('hold vcpu 7')).toMatch(/there is no vCPU 7/);
    expect(run('hold vcpu 0 zwei')).toMatch(/EINVAL: it takes a number of instructions/);
    expect(run('hold sideways')).toMatch(/EINVAL: hold takes step, vcpu, finish/);
    expect(run('hold finish')).toMatch(/CREATE has returned: generation[\s\S]*no memslot update is held\.$/);
  });
});
