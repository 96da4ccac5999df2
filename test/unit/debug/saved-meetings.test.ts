/** Machine states of several vCPUs that stand in front of events, or behind ones that nobody was told of: none is lost, none is told twice. */
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { crc32 } from '../../../core/base/crc32.ts';
import type { MachineStatus } from '../../../core/protocol/snapshots.ts';
import { jsonText } from '../../../core/protocol/json-text.ts';
import { bundledThreads, endedWithTheTest } from '../host/bundled-worker.ts';
import { repackedState } from '../machine/repacked-state.ts';
import { sessionWith, TestSession } from './debug-guest.ts';
import { open, saved } from './saved-session.ts';

const launch = endedWithTheTest(await bundledThreads());

const CODE = 0x20_0000n;
/** nop; out 0x80, al; nop; out 0x80, al; hlt */
const TWO_PORTS = Uint8Array.of(0x90, 0xe6, 0x80, 0x90, 0xe6, 0x80, 0xf4);
const MMIO_WINDOW = 0xe000_0000n;
/** nop; mov eax, [0xe0000000]; nop; mov eax, [0xe0000000]; hlt */
const TWO_LOADS = Uint8Array.of(0x90, 0xa1, 0, 0, 0, 0xe0, 0x90, 0xa1, 0, 0, 0, 0xe0, 0xf4);

/** Two vCPUs in front of the same code, whatever the guest had in mind. */
function twoAt(code: Uint8Array<ArrayBuffer>, isThreaded: boolean): TestSession {
  const options = { mmu: 'ept', vcpus: 2, threads: isThreaded, append: 'vcpus=2' } as const;
  const session = sessionWith('smp', options, isThreaded ? launch : undefined);
  session.ask('memory.write', { space: 'gpa', vcpu: 0, address: CODE, bytes: code });
  for (const vcpu of [0, 1]) session.ask('registers.write', { vcpu, name: 'rip', value: CODE });
  return session;
}

/** One after the other up to what has a breakpoint; in turns that takes a memslot update that is held, where one runs alone. */
function bothInFront(session: TestSession, isThreaded: boolean): void {
  const region = { slot: 5, flags: 0, guestPhysAddr: 0xd000_0000n, memorySize: 0x1000n, userspaceAddr: HVA_BASE };
  if (!isThreaded) session.ask('hold.begin', { regions: [region] });
  for (const vcpu of [0, 1]) {
    if (isThreaded) session.ask('run.step', { vcpu, count: 2 });
    else session.ask('hold.vcpu', { vcpu, insns: 2 });
    expect(session.settle().reason).toMatchObject({ kind: expect.stringMatching(/breakpoint$/), vcpu });
  }
  if (!isThreaded) session.ask('hold.finish', {});
  expect(rips(session.ask('machine.status', {}))).toEqual([1n, 1n]);
}

/** Lets the machine go on from stop to stop. @returns the vCPUs that it stopped for, in order of their numbers */
function stopsOf(session: TestSession): readonly number[] {
  const stopped: number[] = [];
  for (;;) {
    const { reason } = session.run();
    if (reason.kind !== 'event-breakpoint' && reason.kind !== 'mmio-breakpoint') return stopped.toSorted();
    stopped.push(reason.vcpu);
  }
}

const hits = (session: TestSession): number => session.ask('breakpoints.list', {})[0].hits;
const rips = ({ vcpus }: MachineStatus): readonly bigint[] => vcpus.map(({ rip }) => rip - CODE);
const withMeta = (bytes: Buffer, edit: (meta: string) => string): Buffer =>
  repackedState(bytes, (kind, raw) => (kind === 'META' ? Buffer.from(edit(raw.toString())) : raw));

describe.each([
  ['in turns', false],
  ['on threads', true],
])('two vCPUs %s', (_name, isThreaded) => {
  it('that stand in front of a port each are both past it where the state is opened', () => {
    const session = twoAt(TWO_PORTS, isThreaded);
    session.ask('breakpoints.add', { spec: { kind: 'port', start: 0x80, length: 1, access: 'any' } });
    bothInFront(session, isThreaded);
    const opened = new TestSession(isThreaded ? launch : undefined);
    open(opened, saved(session));
    expect(hits(opened)).toBe(2);
    // Each goes past what it stood in front of and meets the next, once.
    expect(stopsOf(opened)).toEqual([0, 1]);
    expect(hits(opened)).toBe(4);
    expect(rips(opened.ask('machine.status', {}))).toEqual([7n, 7n]);
  });

  it('that stand in front of an MMIO fault each are both past it where the state is opened', () => {
    const session = twoAt(TWO_LOADS, isThreaded);
    session.ask('breakpoints.add', {
      spec: { kind: 'mmio', start: MMIO_WINDOW, length: 4096n, access: 'any', outcomes: [], freshness: 'any' },
    });
    bothInFront(session, isThreaded);
    const opened = new TestSession(isThreaded ? launch : undefined);
    open(opened, saved(session));
    expect(stopsOf(opened)).toEqual([0, 1]);
    expect(hits(opened)).toBe(4);
    expect(rips(opened.ask('machine.status', {}))).toEqual([13n, 13n]);
  });
});

describe('a state', () => {
  it('of vCPUs on threads keeps what they stand in front of when it is opened in turns', () => {
    const session = twoAt(TWO_PORTS, true);
    session.ask('breakpoints.add', { spec: { kind: 'port', start: 0x80, length: 1, access: 'any' } });
    bothInFront(session, true);
    const opened = new TestSession();
    open(opened, saved(session), false);
    expect(stopsOf(opened)).toEqual([0, 1]);
    expect(hits(opened)).toBe(4);
  });

  it('tells what nobody had been told of, one stop after the other, before anything moves', () => {
    const session = twoAt(TWO_PORTS, false);
    const { id } = session.ask('breakpoints.add', {
      spec: { kind: 'data', space: 'gva', access: 'write', start: 0x30_0000n, length: 4n },
    });
    const values = [0x30_0000n, 4n, 1n, 0n, 5n, CODE];
    const event = (vcpu: number): string => jsonText({ vcpu, kind: 'data', target: id, values });
    const bytes = withMeta(saved(session), (meta) => meta.replace('"untold":[]', `"untold":[${event(1)},${event(0)}]`));
    const opened = new TestSession();
    const { status } = open(opened, bytes);
    for (const vcpu of [1, 0]) {
      const stopped = opened.run();
      expect(stopped).toMatchObject({
        reason: { kind: 'event-breakpoint', vcpu },
        moment: { insns: status.moment.insns },
      });
    }
    expect(hits(opened)).toBe(2);
    expect(opened.run().reason.kind).not.toBe('event-breakpoint');
  });

  it('of format 1, which knew of one vCPU only, is still read', () => {
    const session = twoAt(TWO_PORTS, false);
    session.ask('breakpoints.add', { spec: { kind: 'port', start: 0x80, length: 1, access: 'any' } });
    expect(session.run().reason).toMatchObject({ kind: 'event-breakpoint' });
    const old = withMeta(saved(session), (meta) => meta.replace(/"met":\[.*?\],"untold":\[\],/, ''));
    expect(old.includes('"met"')).toBe(false);
    old.writeUInt32LE(1, 8);
    old.writeUInt32LE(crc32(old.subarray(0, 60)), 60);
    const opened = new TestSession();
    open(opened, old);
    expect(stopsOf(opened)).toHaveLength(3);
    expect(hits(opened)).toBe(4);
  });
});
