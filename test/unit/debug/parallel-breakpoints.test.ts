/** Every kind of breakpoint where each vCPU has a thread of its own. */
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import type { BreakpointEvent, BreakpointSpec, MachineStatus } from '../../../core/protocol/snapshots.ts';
import type { Params } from '../../../core/protocol/requests.ts';
import { bundledThreads, endedWithTheTest } from '../host/bundled-worker.ts';
import { sessionWith, sessionWithCode, TestSession } from './debug-guest.ts';
import { open, saved } from './saved-session.ts';

const launch = endedWithTheTest(await bundledThreads());

type Spec = Params<'breakpoints.add'>['spec'];
const MODES = ['ept', 'npt', 'shadow'] as const;
const U64 = (1n << 64n) - 1n;
const ALL_OF_GPA = { start: 0n, length: 1n << 52n };
const WINDOW = 0xe000_0000n;
const BASE = 0x10_0000n;
const DATA = 0x20_0000;
const dword = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
/** mov dword [DATA], 5; mov eax, [DATA]; mov byte [DATA + 3], 7; lock inc dword [DATA]; hlt */
const STORES = [0xc7, 0x05, ...dword(DATA), ...dword(5), 0xa1, ...dword(DATA), 0xc6, 0x05, ...dword(DATA + 3), 7];
const LOCKED = [0xf0, 0xff, 0x05, ...dword(DATA)];
const HALT = 0xf4;

const code = (bytes: readonly number[], mmu: (typeof MODES)[number] = 'ept'): TestSession =>
  sessionWithCode(bytes, { mmu, threads: true }, launch);
const smp = (append: string, mmu: (typeof MODES)[number] = 'ept'): TestSession =>
  sessionWith('smp', { mmu, vcpus: 2, threads: true, append: `vcpus=2 patience=2g ${append}` }, launch);
const hammering = (mmu: (typeof MODES)[number] = 'ept'): TestSession =>
  smp(`op=hammer window=0x${WINDOW.toString(16)}`, mmu);

const rip = (session: TestSession, vcpu = 0): bigint => session.ask('machine.status', {}).vcpus[vcpu].rip;
function eventOf({ reason }: MachineStatus): BreakpointEvent {
  if (reason.kind !== 'event-breakpoint') throw new Error(`stopped by ${reason.kind}: ${JSON.stringify(reason)}`);
  return reason.event;
}
const fieldsOf = (status: MachineStatus): Record<string, bigint | string> =>
  Object.fromEntries(eventOf(status).fields.map(({ name, value, word }) => [name, word ?? value]));
const set = (session: TestSession, spec: Spec, more: Omit<Params<'breakpoints.add'>, 'spec'> = {}) =>
  session.ask('breakpoints.add', { spec, ...more });
const dataAt = (space: 'gva' | 'gpa', access: 'any' | 'read' | 'write' = 'write'): Spec => ({
  kind: 'data',
  space,
  access,
  start: BigInt(DATA),
  length: 4n,
});
/** The machine's state in a session of its own, on threads again. */
function reopened(session: TestSession): TestSession {
  const other = new TestSession(launch);
  open(other, saved(session));
  return other;
}
/** Lets a running machine go on for a while. */
function runFor(session: TestSession, slices: number): void {
  for (let i = 0; i < slices && session.engine.running; i++) session.engine.slice();
}
const region = (gpa: bigint, memorySize: bigint, slot = 5) => ({
  region: { slot, flags: 0, guestPhysAddr: gpa, memorySize, userspaceAddr: HVA_BASE },
});

describe.each(MODES)('on a thread, under %s, a breakpoint', (mmu) => {
  it.each(['gva', 'gpa'] as const)('on data by %s stops behind each write with both values', (space) => {
    const session = code([...STORES, ...LOCKED, HALT], mmu);
    set(session, dataAt(space));
    expect(fieldsOf(session.run())).toMatchObject({ gva: BigInt(DATA), access: 'write', old: 0n, new: 5n, rip: BASE });
    expect(rip(session)).toBe(BASE + 10n);
    expect(fieldsOf(session.run())).toMatchObject({ gva: BigInt(DATA + 3), size: 1n, old: 0n, new: 7n });
    expect(rip(session)).toBe(BASE + 22n);
    // What others see of a locked instruction is what is told of it.
    expect(fieldsOf(session.run())).toMatchObject({ size: 4n, old: 0x0700_0005n, new: 0x0700_0006n });
    expect(rip(session)).toBe(BASE + 29n);
    expect(session.run().state).toBe('halted');
  });

  it('by gpa or in a range stops in front of the instruction', () => {
    const session = code([...STORES, HALT], mmu);
    set(session, { kind: 'exec', space: 'gpa', address: BASE + 10n });
    set(session, { kind: 'exec', address: BASE + 12n, length: 4n });
    expect(session.run().reason).toMatchObject({ kind: 'breakpoint', id: 1, address: BASE + 10n });
    expect(session.run().reason).toMatchObject({ kind: 'breakpoint', id: 2, address: BASE + 15n });
    expect(session.run().state).toBe('halted');
  });

  it('in front of which the machine was saved is not met again where it is opened', () => {
    const port = code([0xb0, 0x41, 0xe6, 0x80, 0xe4, 0x80, 0xe4, 0x80, HALT], mmu);
    set(port, { kind: 'port', start: 0x80, length: 1, access: 'any' });
    expect(fieldsOf(port.run())).toMatchObject({ access: 'out' });
    const opened = reopened(port);
    expect(opened.ask('machine.status', {}).reason).toEqual(port.ask('machine.status', {}).reason);
    expect(fieldsOf(opened.run())).toMatchObject({ access: 'in' });
    // Nor does a list that changes meanwhile bring it back, or take the next one away.
    set(opened, { kind: 'zap', ...ALL_OF_GPA });
    expect(fieldsOf(opened.run())).toMatchObject({ access: 'in' });
    expect(opened.run().state).toBe('halted');
    expect(opened.ask('breakpoints.list', {})[0].hits).toBe(3);

    const exception = code([0x90, 0x0f, 0x0b], mmu);
    set(exception, { kind: 'exception', vectors: [6] });
    expect(eventOf(exception.run()).text).toBe('#UD at rip 0x100001');
    expect(reopened(exception).run().state).toBe('shutdown');
  });

  it('that is met anew because its instruction was moved, stops again after opening too', () => {
    const port = code([0xb0, 0x41, 0xe6, 0x80, HALT], mmu);
    set(port, { kind: 'port', start: 0x80, length: 1, access: 'any' });
    port.run();
    const opened = reopened(port);
    opened.ask('registers.write', { vcpu: 0, name: 'rip', value: BASE + 2n });
    expect(fieldsOf(opened.run())).toMatchObject({ access: 'out' });
    expect(opened.run().state).toBe('halted');
  });

  it('on a port stops in front of the access, once', () => {
    const session = code([0xb0, 0x41, 0xe6, 0x80, 0xe4, 0x80, HALT], mmu);
    set(session, { kind: 'port', start: 0x80, length: 1, access: 'any' });
    expect(fieldsOf(session.run())).toMatchObject({ port: 0x80n, access: 'out', value: 0x41n });
    expect([rip(session), session.ask('stats.read', {}).vcpu.io_exits]).toEqual([BASE + 2n, 0]);
    expect(fieldsOf(session.run())).toMatchObject({ access: 'in' });
    expect(session.run().state).toBe('halted');
    expect(session.ask('breakpoints.list', {})[0].hits).toBe(2);
  });

  it('on an exception and on a page fault stops at the instruction', () => {
    const exception = code([0x90, 0x0f, 0x0b], mmu);
    set(exception, { kind: 'exception', vectors: [6] });
    expect(eventOf(exception.run()).text).toBe('#UD at rip 0x100001');
    expect(rip(exception)).toBe(BASE + 1n);
    expect(exception.run().state).toBe('shutdown');

    const faults = sessionWith('faults', { mmu, threads: true }, launch);
    set(faults, { kind: 'page-fault', start: 0n, length: 1n << 64n, access: 'any', cause: 'any', privilege: 'any' });
    const first = faults.run();
    expect(fieldsOf(first)['rip']).toBe(rip(faults));
    faults.ask('breakpoints.replace', { breakpoints: [] });
    expect(faults.run().state).toBe('exited');
  });

  it('on an spte and on a guest page-table entry tells who wrote it', () => {
    const poller = (mode: string) => sessionWith('poller', { mmu, threads: true, append: `mode=${mode}` }, launch);
    const sptes = poller('flat');
    set(sptes, { kind: 'spte', start: WINDOW, length: 0x1000n, mask: U64, level: 1 });
    expect(fieldsOf(sptes.run())).toMatchObject({ gfn: 0xe0000n, old: 0n, level: 1n });

    const tables = poller('long');
    set(
      tables,
      { kind: 'gpte', start: BASE, length: 0x70_0000n, mask: 0x20n },
      { condition: 'event.by != "the guest"' },
    );
    expect(fieldsOf(tables.run())).toMatchObject({
      by: mmu === 'shadow' ? "KVM's walker" : 'the processor',
      size: 8n,
    });
  });

  it('on memslots, zaps and the wrap-around stops running vCPUs for what user space does', () => {
    const session = hammering(mmu);
    const go = () => {
      session.ask('run.continue', {});
      runFor(session, 40);
    };
    go();
    session.ask('run.pause', {});
    set(session, { kind: 'memslot', slot: 5, changes: ['CREATE'] });
    go();
    session.ask('memslots.set', region(WINDOW, 4096n));
    expect(fieldsOf(session.settle())).toMatchObject({ slot: 5n, change: 'CREATE', pages: 1n });
    set(session, { kind: 'zap', ...ALL_OF_GPA });
    go();
    session.ask('memslots.set', region(WINDOW, 0n));
    expect(eventOf(session.settle()).kind).toBe('zap');
    session.ask('breakpoints.replace', { breakpoints: [{ spec: { kind: 'generation-wrap' } }] });
    const { wrapAt } = session.ask('generation.read', {});
    session.ask('generation.set', { memslotsGeneration: BigInt(wrapAt - 1) });
    go();
    session.ask('memslots.set', region(0x4000_0000n, 4096n, 9));
    session.ask('memslots.set', region(0x4000_0000n, 0n, 9));
    expect(eventOf(session.settle()).kind).toBe('generation-wrap');
  });
});

describe('on threads', () => {
  it('both vCPUs stop at the same data, each named', () => {
    const session = smp('op=count rounds=400');
    const board = session.ask('symbols.search', { query: 'smp_board', limit: 1 })[0];
    set(session, { kind: 'data', space: 'gva', start: board.address + 64n, length: 4n, access: 'write' });
    const seen = new Set<number>();
    for (let stops = 0; seen.size < 2 && stops < 400; stops++) {
      const { reason } = session.run();
      if (reason.kind !== 'event-breakpoint') throw new Error(`it stopped for ${reason.kind}`);
      seen.add(reason.vcpu);
    }
    expect([...seen].sort()).toEqual([0, 1]);
    session.ask('breakpoints.replace', { breakpoints: [] });
    expect(session.run()).toMatchObject({ state: 'exited' });
  });

  it('a condition, a hit count, a vCPU and a log text decide as they do in turns', () => {
    const session = code([...STORES, HALT]);
    set(session, dataAt('gva', 'any'), { log: 'at {event.gva}: {event.access} {event.new}' });
    set(session, dataAt('gva'), { condition: 'event.new == 7 && eax == 5', once: true });
    set(session, dataAt('gva'), { vcpu: 1 });
    set(session, dataAt('gva', 'any'), { stopAtHit: 9 });
    expect(session.run().reason).toMatchObject({ kind: 'event-breakpoint', id: 2 });
    expect(session.run().state).toBe('halted');
    expect(session.ask('breakpoints.log', { since: 0, limit: 9 }).lines.map(({ text }) => text)).toEqual([
      'at 0x200000: write 5',
      'at 0x200000: read 5',
      'at 0x200003: write 7',
    ]);
    expect(session.ask('breakpoints.list', {}).map(({ hits }) => hits)).toEqual([3, 1, 0, 3]);
  });

  it('hits of both vCPUs are all counted', () => {
    const session = smp('op=count rounds=50');
    const { id } = set(session, { kind: 'port', start: 0, length: 0x1_0000, access: 'any' }, { condition: '0' });
    const plain = smp('op=count rounds=50');
    expect(session.run().state).toBe('exited');
    expect(plain.run().state).toBe('exited');
    session.ask('breakpoints.update', { id, condition: '', stopAtHit: 1_000_000 });
    session.ask('machine.reset', {});
    expect(session.run().state).toBe('exited');
    const [{ hits }] = session.ask('breakpoints.list', {});
    const { io_exits } = session.ask('stats.read', {}).vcpu;
    expect([hits, hits > 0]).toEqual([io_exits, true]);
  });

  it('breakpoints are there after a reset, too', () => {
    const session = code([...STORES, HALT]);
    set(session, { kind: 'exec', address: BASE + 10n });
    set(session, dataAt('gva'));
    const stops = () => [session.run().reason.kind, session.run().reason.kind];
    const first = stops();
    session.ask('machine.reset', {});
    expect([first, stops()]).toEqual([
      ['event-breakpoint', 'breakpoint'],
      ['event-breakpoint', 'breakpoint'],
    ]);
  });

  it('a range by gpa follows the memslot that moves under it', () => {
    const session = hammering();
    const watched: BreakpointSpec = { kind: 'data', space: 'gpa', start: WINDOW, length: 0x1000n, access: 'read' };
    set(session, watched);
    session.ask('run.continue', {});
    runFor(session, 60);
    // Nothing is there yet: what the guest reads comes from nowhere.
    expect(session.ask('breakpoints.list', {})[0].hits).toBe(0);
    session.ask('memslots.set', region(WINDOW, 4096n));
    expect(fieldsOf(session.settle())).toMatchObject({ gva: WINDOW, access: 'read' });
  });
});
