import { describe, expect, it } from 'vitest';
import { sessionWith, type TestSession } from './debug-guest.ts';

/** What is done to a machine between two looks at its code. */
type Deed = readonly [what: string, deed: (session: TestSession) => unknown];

const rip = (session: TestSession): bigint => session.ask('machine.status', {}).vcpus[0].rip;
const look = (session: TestSession, before = 5) =>
  session.ask('disassembly.read', { vcpu: 0, address: rip(session), before, count: 12 }).lines;
const poke = (session: TestSession, offset: bigint, ...bytes: number[]) =>
  session.ask('memory.write', {
    space: 'gva',
    vcpu: 0,
    address: rip(session) + offset,
    bytes: Uint8Array.from(bytes),
  });

const DEEDS: readonly Deed[] = [
  ['nothing', () => undefined],
  ['a step', (session) => session.ask('run.step', { vcpu: 0 })],
  ['another byte at rip', (session) => poke(session, 0n, 0xf4)],
  ['another byte behind it', (session) => poke(session, 9n, 0xcc)],
  ['another byte before it', (session) => poke(session, -1n, 0x90)],
  [
    'a breakpoint',
    (session) => session.ask('breakpoints.add', { spec: { kind: 'exec', address: rip(session), symbol: undefined } }),
  ],
  [
    'another value in a register that it addresses by',
    (session) => session.ask('registers.write', { vcpu: 0, name: 'rdi', value: 0x5000n }),
  ],
  [
    'the memory gone',
    (session) =>
      session.ask('memslots.set', {
        region: { slot: 1, guestPhysAddr: 0x10_0000n, memorySize: 0n, userspaceAddr: 0n, flags: 0 },
      }),
  ],
];

const question = (session: TestSession, before: number) =>
  ({ vcpu: 0, address: rip(session), before, count: 12 }) as const;

describe('the marks of a listing', () => {
  it.each(DEEDS)('after %s are those of the listing that somebody reads, and name it', (_what, deed) => {
    const session = sessionWith('hello');
    session.run(200);
    const asked = question(session, 5);
    const known = session.ask('disassembly.read', asked);
    deed(session);
    const marks = session.ask('disassembly.marks', asked);
    const { listing, lines } = session.ask('disassembly.read', asked);
    expect(marks.listing).toBe(listing);
    const bare = (one: (typeof lines)[number]) => ({
      ...one,
      current: false,
      touches: undefined,
      breakpoint: undefined,
    });
    if (listing === known.listing) expect(known.lines.map(bare)).toEqual(lines.map(bare));
    else expect(known.lines.map(bare)).not.toEqual(lines.map(bare));
    const current = lines.find((line) => line.current);
    expect(marks.current).toEqual(current && { address: current.address, touches: current.touches });
    const set = lines.filter(({ breakpoint }) => breakpoint !== undefined);
    expect(marks.breakpoints).toEqual(set.map(({ address, breakpoint }) => ({ address, id: breakpoint })));
  });

  it.each([
    ['a step', true],
    ['another byte at rip', false],
  ])('after %s name the same listing: %s', (what, isSame) => {
    const session = sessionWith('hello');
    session.run(200);
    const asked = question(session, 5);
    const { listing } = session.ask('disassembly.read', asked);
    DEEDS.find(([name]) => name === what)?.[1](session);
    expect(session.ask('disassembly.marks', asked).listing === listing).toBe(isSame);
  });
});

describe('disassembly that is looked at again', () => {
  it.each(DEEDS)('after %s is what somebody reads who looks for the first time', (_what, deed) => {
    const [watched, unwatched] = [sessionWith('hello'), sessionWith('hello')];
    for (const session of [watched, unwatched]) session.run(200);
    look(watched);
    look(watched, 0);
    deed(watched);
    deed(unwatched);
    expect(look(watched)).toEqual(look(unwatched));
    expect(look(watched, 0)).toEqual(look(unwatched, 0));
  });

  it('names code by the symbols of the machine that it is in', () => {
    const session = sessionWith('hello');
    const [first] = look(session, 0);
    session.ask('machine.create', { image: Uint8Array.from([0x90, 0xf4]), name: 'bare', options: {} });
    const [bare] = look(session, 0);
    expect(first.symbol).toBeDefined();
    expect(bare).toMatchObject({ text: 'nop', symbol: undefined });
  });
});
