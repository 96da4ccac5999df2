/** Every kind of breakpoint on real guest code, under each MMU: where it stops, what it says, and that it changes nothing. */
import { describe, expect, it } from 'vitest';
import { HVA_BASE } from '../../../core/base/address.ts';
import { SPTE_WRITERS } from '../../../core/kvm/index.ts';
import { SPTE_WRITER_WORDS } from '../../../core/protocol/breakpoint-kinds.ts';
import type { BreakpointEvent, MachineStatus } from '../../../core/protocol/snapshots.ts';
import { sessionWith, sessionWithCode, type TestSession } from './debug-guest.ts';

const MODES = ['ept', 'npt', 'shadow'] as const;
const U64 = (1n << 64n) - 1n;
const BASE = 0x10_0000n;

/** Little-endian 32-bit operand. */
const dword = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
const DATA = 0x20_0000;
/** mov dword [DATA], 5; mov eax, [DATA]; mov byte [DATA + 3], 7; hlt */
const STORES = [0xc7, 0x05, ...dword(DATA), ...dword(5), 0xa1, ...dword(DATA), 0xc6, 0x05, ...dword(DATA + 3), 7, 0xf4];
const AFTER_FIRST = BASE + 10n;
const AFTER_LOAD = BASE + 15n;
const AFTER_BYTE = BASE + 22n;

function eventOf({ reason }: MachineStatus): BreakpointEvent {
  if (reason.kind !== 'event-breakpoint') throw new Error(`stopped by ${reason.kind}: ${JSON.stringify(reason)}`);
  return reason.event;
}
/** Fields by name; those with words as words. */
const fieldsOf = (status: MachineStatus): Record<string, bigint | string> =>
  Object.fromEntries(eventOf(status).fields.map(({ name, value, word }) => [name, word ?? value]));
/** On to the next stop, but not for ever. */
const MOST = 400_000;
const go = (session: TestSession): MachineStatus => session.run(session.ask('machine.status', {}).moment.insns + MOST);
const rip = (session: TestSession): bigint => session.ask('machine.status', {}).vcpus[0].rip;

describe.each(MODES)('under %s a data breakpoint', (mmu) => {
  it.each(['gva', 'gpa'] as const)('by %s stops behind the write with both values', (space) => {
    const session = sessionWithCode(STORES, { mmu });
    const range = { space, start: BigInt(DATA), length: 4n };
    session.ask('breakpoints.add', { spec: { kind: 'data', access: 'write', ...range } });
    expect(fieldsOf(go(session))).toEqual({
      gva: BigInt(DATA),
      size: 4n,
      access: 'write',
      old: 0n,
      new: 5n,
      rip: BASE,
    });
    expect(rip(session)).toBe(AFTER_FIRST);
    expect(fieldsOf(go(session))).toMatchObject({ gva: BigInt(DATA + 3), size: 1n, old: 0n, new: 7n });
    expect(rip(session)).toBe(AFTER_BYTE);
    expect(go(session).state).toBe('halted');
  });

  it('stops behind a read, and not at writes when it wants reads', () => {
    const session = sessionWithCode(STORES, { mmu });
    session.ask('breakpoints.add', {
      spec: { kind: 'data', access: 'read', space: 'gva', start: BigInt(DATA), length: 1n },
    });
    expect(fieldsOf(go(session))).toMatchObject({ access: 'read', new: 5n, rip: AFTER_FIRST });
    expect(rip(session)).toBe(AFTER_LOAD);
    expect(go(session).state).toBe('halted');
  });

  it('by gva does not hear of the bytes beside its range', () => {
    const session = sessionWithCode(STORES, { mmu });
    session.ask('breakpoints.add', {
      spec: { kind: 'data', access: 'any', space: 'gva', start: BigInt(DATA + 4), length: 4n },
    });
    expect(go(session).state).toBe('halted');
  });

  it('that does not stop leaves the machine as it would be without it', () => {
    const watched = sessionWith('poller', { mmu, append: 'mode=long pause=3' });
    const plain = sessionWith('poller', { mmu, append: 'mode=long pause=3' });
    const { id } = watched.ask('breakpoints.add', {
      spec: { kind: 'data', access: 'any', space: 'gpa', start: 0x10_0000n, length: 0x10_0000n },
      condition: 'u8[gva: rsp] + hits == -1',
    });
    watched.run(60_000);
    plain.run(60_000);
    watched.ask('breakpoints.remove', { id });
    watched.ask('run.continue', { untilInsns: 60_000 });
    watched.settle();
    expect(watched.ask('registers.read', { vcpu: 0 }).registers).toEqual(
      plain.ask('registers.read', { vcpu: 0 }).registers,
    );
    expect(watched.ask('stats.read', {}).vcpu).toEqual(plain.ask('stats.read', {}).vcpu);
    const ram = { space: 'gpa' as const, vcpu: 0, address: 0x10_0000n, length: 65536 };
    expect(watched.ask('memory.read', ram).spans).toEqual(plain.ask('memory.read', ram).spans);
  });
});

describe.each(MODES)('under %s a data breakpoint in a string instruction', (mmu) => {
  const registers = (session: TestSession, ...names: readonly string[]) =>
    session
      .ask('registers.read', { vcpu: 0 })
      .registers.flatMap(({ name, value }) => (names.includes(name) ? [Number(value)] : []));
  /** mov ecx, count; mov esi, DATA; mov edi, to; mov eax, 9; rep movsd; hlt */
  const copy = (count: number, to: number): number[] =>
    [0xb9, ...dword(count), 0xbe, ...dword(DATA), 0xbf, ...dword(to), 0xb8, ...dword(9)].concat([0xf3, 0xa5, 0xf4]);
  const REP = BASE + 20n;

  it.each([
    ['memory', 0x30_0000],
    ['a device', 0xfeb0_0000],
  ])('to %s stops behind its element, with the rest to do', (_where, to) => {
    const session = sessionWithCode(copy(5000, to), { mmu });
    const plain = sessionWithCode(copy(5000, to), { mmu });
    const third = BigInt(DATA + 2 * 4);
    session.ask('breakpoints.add', { spec: { kind: 'data', access: 'read', space: 'gva', start: third, length: 4n } });
    expect(fieldsOf(go(session))).toMatchObject({ gva: third, access: 'read', rip: REP });
    expect(rip(session)).toBe(REP);
    expect(registers(session, 'rcx', 'rsi', 'rdi')).toEqual([4997, DATA + 12, to + 12]);
    const end = go(session);
    expect([end.state, end.moment.insns]).toEqual(['halted', go(plain).moment.insns]);
    const all = { vcpu: 0 };
    expect(session.ask('registers.read', all).registers).toEqual(plain.ask('registers.read', all).registers);
  });

  it('that hears of every element stops at each', () => {
    const session = sessionWithCode(copy(3, 0x30_0000), { mmu });
    session.ask('breakpoints.add', {
      spec: { kind: 'data', access: 'write', space: 'gpa', start: 0x30_0000n, length: 0x1000n },
    });
    const seen = [go(session), go(session), go(session)].map((status) => fieldsOf(status)['gva']);
    expect(seen).toEqual([0x30_0000n, 0x30_0004n, 0x30_0008n]);
    // The last element ends the instruction.
    expect(rip(session)).toBe(REP + 2n);
    expect(go(session)).toMatchObject({ state: 'halted', moment: { insns: 6 } });
  });
});

describe.each(MODES)('under %s a breakpoint', (mmu) => {
  it('on execution by gpa, or in a range, stops in front of the instruction', () => {
    const session = sessionWithCode(STORES, { mmu });
    session.ask('breakpoints.add', { spec: { kind: 'exec', space: 'gpa', address: AFTER_FIRST } });
    session.ask('breakpoints.add', { spec: { kind: 'exec', address: AFTER_LOAD - 3n, length: 4n } });
    expect(go(session).reason).toMatchObject({ kind: 'breakpoint', id: 1, address: AFTER_FIRST });
    expect(go(session).reason).toMatchObject({ kind: 'breakpoint', id: 2, address: AFTER_LOAD });
    expect(go(session).state).toBe('halted');
  });

  it('on a port stops in front of the access, once', () => {
    // mov al, 0x41; out 0x80, al; in al, 0x80; hlt
    const session = sessionWithCode([0xb0, 0x41, 0xe6, 0x80, 0xe4, 0x80, 0xf4], { mmu });
    const spec = { kind: 'port' as const, start: 0x80, length: 1, access: 'any' as const };
    session.ask('breakpoints.add', { spec });
    const before = session.ask('stats.read', {}).vcpu.io_exits;
    const out = go(session);
    expect(fieldsOf(out)).toEqual({ port: 0x80n, size: 1n, access: 'out', value: 0x41n, string: 0n });
    expect([rip(session), out.moment.insns]).toEqual([BASE + 2n, 1]);
    expect(session.ask('stats.read', {}).vcpu.io_exits).toBe(before);
    expect(fieldsOf(go(session))).toMatchObject({ access: 'in', port: 0x80n });
    expect(rip(session)).toBe(BASE + 4n);
    expect(go(session).state).toBe('halted');
    expect(session.ask('breakpoints.list', {})[0].hits).toBe(2);
  });

  it('on an exception stops at the instruction, before anything is delivered', () => {
    // nop; ud2 without an IDT
    const session = sessionWithCode([0x90, 0x0f, 0x0b], { mmu });
    session.ask('breakpoints.add', { spec: { kind: 'exception', vectors: [6] } });
    const stopped = go(session);
    expect(fieldsOf(stopped)).toMatchObject({ vector: 6n, errorCode: 0n, rip: BASE + 1n });
    expect(eventOf(stopped).text).toBe('#UD at rip 0x100001');
    expect(rip(session)).toBe(BASE + 1n);
    expect(go(session)).toMatchObject({ state: 'shutdown' });
  });

  it('on a double fault stops in front of it, at the instruction', () => {
    const session = sessionWithCode([0x90, 0x0f, 0x0b], { mmu });
    const plain = sessionWithCode([0x90, 0x0f, 0x0b], { mmu });
    session.ask('breakpoints.add', { spec: { kind: 'exception', vectors: [8] } });
    const stopped = go(session);
    expect(eventOf(stopped).text).toBe('#DF at rip 0x100001');
    expect([rip(session), stopped.moment.insns]).toEqual([BASE + 1n, 1]);
    const ends = [session, plain].map((one) => [
      go(one).state,
      one.ask('registers.read', { vcpu: 0 }).registers,
      one.ask('stats.read', {}).vcpu,
    ]);
    expect(ends[0]).toEqual(ends[1]);
    expect(ends[0][0]).toBe('shutdown');
  });

  it('on INT3 stops with rip at it', () => {
    const session = sessionWithCode([0x90, 0xcc], { mmu });
    session.ask('breakpoints.add', { spec: { kind: 'exception', vectors: [3] } });
    expect(fieldsOf(go(session))).toMatchObject({ vector: 3n, rip: BASE + 1n });
    expect(rip(session)).toBe(BASE + 1n);
    expect(go(session).state).toBe('shutdown');
  });

  it('on page faults says address and cause, and the guest goes its way afterwards', () => {
    const session = sessionWith('faults', { mmu });
    const plain = sessionWith('faults', { mmu });
    session.ask('breakpoints.add', {
      spec: { kind: 'page-fault', start: 0n, length: 1n << 64n, access: 'any', cause: 'any', privilege: 'any' },
    });
    const first = go(session);
    const { gva, rip: at, errorCode } = fieldsOf(first);
    expect(rip(session)).toBe(at);
    expect([typeof gva, typeof errorCode]).toEqual(['bigint', 'bigint']);
    let stops = 1;
    while (stops < 6 && go(session).reason.kind === 'event-breakpoint') stops += 1;
    expect(stops).toBe(6);
    session.ask('breakpoints.replace', { breakpoints: [] });
    const until = session.ask('machine.status', {}).moment.insns + 5000;
    expect([session.run(until).moment, session.serial()]).toEqual([
      { ...plain.run(until).moment, epoch: session.ask('machine.status', {}).moment.epoch },
      plain.serial(),
    ]);
    expect(session.isAt(plain.arenaBytes())).toBe(true);
  });

  it('on an spte tells who wrote it, before the guest is entered again', () => {
    const session = sessionWith('poller', { mmu, append: 'mode=flat' });
    session.ask('breakpoints.add', {
      spec: { kind: 'spte', start: 0xe000_0000n, length: 0x1000n, mask: U64, level: 1 },
    });
    const status = go(session);
    const { gfn, level, old, by, new: next } = fieldsOf(status);
    expect(SPTE_WRITER_WORDS).toContain(by);
    expect([gfn, old]).toEqual([0xe0000n, 0n]);
    expect(level).toBe(1n);
    expect(next).not.toBe(0n);
    const row = session.ask('rmap.read', { gfn: 0xe0000 });
    expect(
      JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value)),
    ).toContain((next as bigint).toString(16));
  });

  it('on a guest page-table entry hears the guest and the walker, by bit', () => {
    const session = sessionWith('poller', { mmu, append: 'mode=long' });
    const written = session.ask('breakpoints.add', {
      spec: { kind: 'gpte', start: 0x10_0000n, length: 0x70_0000n, mask: 1n },
      condition: 'event.new & 0x83 && event.size == 8',
      once: true,
    });
    const status = go(session);
    expect(status.reason).toMatchObject({ kind: 'event-breakpoint', id: written.id });
    expect(fieldsOf(status)).toMatchObject({ by: 'the guest', size: 8n });
    const { gpa, new: value } = fieldsOf(status);
    const [span] = session.ask('memory.read', { space: 'gpa', vcpu: 0, address: gpa as bigint, length: 8 }).spans;
    const bytes = span.kind === 'bytes' ? span.bytes : new Uint8Array(8);
    expect(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)).toBe(value);
    session.ask('breakpoints.add', {
      spec: { kind: 'gpte', start: 0x10_0000n, length: 0x70_0000n, mask: 0x20n },
      condition: 'event.by != "the guest"',
    });
    const marked = fieldsOf(go(session));
    expect(marked['by']).toBe(mmu === 'shadow' ? "KVM's walker" : 'the processor');
    expect((marked['changed'] as bigint) & 0x20n).toBe(0x20n);
  });

  it('on memslot changes, zaps and the wrap-around stops a running guest', () => {
    const session = sessionWith('poller', { mmu, append: 'mode=flat' });
    session.run(20_000);
    const { slots } = session.ask('memslots.read', {});
    const extra = { slot: 9, flags: 0, guestPhysAddr: 0x4000_0000n, userspaceAddr: slots[0].hva };
    session.ask('breakpoints.add', { spec: { kind: 'memslot', slot: 9, changes: ['CREATE'] } });
    session.ask('run.continue', { untilInsns: 3_000_000 });
    session.ask('memslots.set', { region: { ...extra, memorySize: 0x1000n } });
    expect(fieldsOf(session.settle())).toMatchObject({ slot: 9n, change: 'CREATE', pages: 1n });
    // User space did it: no vCPU of its own stands for it.
    const told = session.ask('console.run', { line: 'where', vcpu: 0 });
    expect(told.lines.join('\n')).toMatch(/memslot 9: CREATE/);

    session.ask('breakpoints.add', { spec: { kind: 'zap', start: 0n, length: 1n << 52n } });
    session.ask('run.continue', { untilInsns: 3_000_000 });
    session.ask('memslots.set', { region: { ...extra, memorySize: 0n } });
    expect(eventOf(session.settle()).kind).toBe('zap');
    session.ask('breakpoints.replace', { breakpoints: [{ spec: { kind: 'generation-wrap' } }] });

    const { wrapAt } = session.ask('generation.read', {});
    session.ask('generation.set', { memslotsGeneration: BigInt(wrapAt - 1) });
    session.ask('run.continue', { untilInsns: 3_000_000 });
    session.ask('memslots.set', { region: { ...extra, memorySize: 0x1000n } });
    session.ask('memslots.set', { region: { ...extra, memorySize: 0n } });
    expect(eventOf(session.settle()).kind).toBe('generation-wrap');
  });
});

describe('what every kind shares', () => {
  const code = () => sessionWithCode(STORES);
  const write = { kind: 'data', access: 'write', space: 'gva', start: BigInt(DATA), length: 4n } as const;

  it('a condition decides, and its hits are those that held', () => {
    const session = code();
    session.ask('breakpoints.add', { spec: write, condition: 'event.size == 1 && event.new > event.old' });
    expect(fieldsOf(go(session))).toMatchObject({ size: 1n });
    expect(session.ask('breakpoints.list', {})[0].hits).toBe(1);
  });

  it.each([
    ['condition', { condition: 'event.gpa == 1' }, 'the condition, column 7: a data access has no field called gpa'],
    ['condition', { condition: 'rax +' }, 'the condition, column 6: '],
    ['log', { log: 'x {foo}' }, 'the log text, column 4: foo is neither a register nor a symbol'],
  ])('a wrong %s is refused when it is set', (_part, texts, message) => {
    expect(code().refusal('breakpoints.add', { spec: write, ...texts })).toContain(message);
  });

  it('a condition that has no value stops and says why', () => {
    const session = code();
    session.ask('breakpoints.add', { spec: write, condition: 'u8[0xf0000000] == 1' });
    expect(go(session).reason).toMatchObject({
      kind: 'event-breakpoint',
      problem: expect.stringContaining('gva 0xf0000000 cannot be read: ') as unknown,
    });
  });

  it('a log text writes lines and does not stop', () => {
    const session = code();
    session.ask('breakpoints.add', { spec: write, log: 'wrote {event.new} to {event.gva}, hit {hits}' });
    expect(go(session).state).toBe('halted');
    const { total, lines } = session.ask('breakpoints.log', { since: 0, limit: 10 });
    expect(total).toBe(2);
    expect(lines.map(({ text }) => text)).toEqual(['wrote 5 to 0x200000, hit 0', 'wrote 7 to 0x200003, hit 1']);
    expect(lines[0]).toMatchObject({ seq: 0, vcpu: 0, breakpoint: 1 });
  });

  it.each([
    ['from', 2, [2, 3, 4]],
    ['at', 2, [2]],
    ['every', 2, [2, 4]],
  ] as const)('hit count %s %i stops at hits %j', (hitMode, stopAtHit, expected) => {
    // Four nops.
    const session = sessionWithCode([0x90, 0x90, 0x90, 0x90, 0xf4]);
    session.ask('breakpoints.add', { spec: { kind: 'exec', address: BASE, length: 4n }, hitMode, stopAtHit });
    const hits: number[] = [];
    while (hits.length < 9 && go(session).reason.kind === 'breakpoint')
      hits.push(session.ask('breakpoints.list', {})[0].hits);
    expect(hits).toEqual(expected);
  });

  it.each([
    ['device', 'event.claim == "device" && event.gpa >= 0xb8000 && event.gpa < 0xc0000', 0xb8n],
    ['unsatisfied', 'event.claim == "unsatisfied"', 0xe0000n],
  ])('an MMIO fault knows beforehand that it will be claimed by: %s', (claim, condition, gfn) => {
    const session = sessionWith('poller', { append: 'mode=flat' });
    const everywhere = { start: 0n, length: 1n << 52n };
    session.ask('breakpoints.add', {
      spec: { kind: 'mmio', ...everywhere, access: 'any', outcomes: [], freshness: 'any' },
      condition,
    });
    const { reason } = go(session);
    if (reason.kind !== 'mmio-breakpoint') throw new Error(`stopped by ${reason.kind}`);
    expect(reason.fault.gpa >> 12n).toBe(gfn);
    const { total } = session.ask('mmio.log', { since: 0, limit: 1 });
    session.ask('breakpoints.replace', { breakpoints: [] });
    session.ask('run.step', { vcpu: 0 });
    expect(session.ask('mmio.log', { since: total, limit: 1 }).records[0].claim).toBe(claim);
  });

  it('an MMIO fault of a write to a read-only slot will be claimed by nobody, not by the memory', () => {
    const hole = 0xf000_0000;
    // mov eax, [hole]; nop; mov [hole], eax; hlt
    const session = sessionWithCode([0xa1, ...dword(hole), 0x90, 0xa3, ...dword(hole), 0xf4]);
    session.ask('breakpoints.add', { spec: { kind: 'exec', address: BASE + 5n } });
    expect(go(session).reason.kind).toBe('breakpoint');
    // The read has left an MMIO spte; memory comes, and it is stale.
    const region = { slot: 7, flags: 2, guestPhysAddr: BigInt(hole), memorySize: 0x1000n, userspaceAddr: HVA_BASE };
    session.ask('memslots.set', { region });
    session.ask('breakpoints.add', {
      spec: { kind: 'mmio', start: 0n, length: 1n << 52n, access: 'write', outcomes: [], freshness: 'any' },
      condition: 'event.claim == "unsatisfied"',
    });
    const { reason } = go(session);
    if (reason.kind !== 'mmio-breakpoint') throw new Error(`stopped by ${reason.kind}`);
    const { total } = session.ask('mmio.log', { since: 0, limit: 1 });
    session.ask('breakpoints.replace', { breakpoints: [] });
    session.ask('run.step', { vcpu: 0 });
    expect(session.ask('mmio.log', { since: total, limit: 1 }).records[0].claim).toBe('unsatisfied');
  });

  it('one for another vCPU is not met, and once disables it', () => {
    const session = code();
    session.ask('breakpoints.add', { spec: write, vcpu: 1 });
    session.ask('breakpoints.add', { spec: write, once: true });
    expect(go(session).reason).toMatchObject({ id: 2 });
    expect(go(session).state).toBe('halted');
    expect(session.ask('breakpoints.list', {}).map(({ enabled, hits }) => [enabled, hits])).toEqual([
      [true, 0],
      [false, 1],
    ]);
  });

  it('stepping meets them, too, and a stop in front is passed by the next step', () => {
    const session = sessionWithCode([0xe6, 0x80, 0x90, 0xf4]);
    session.ask('breakpoints.add', { spec: { kind: 'port', start: 0x80, length: 1, access: 'out' } });
    expect(session.ask('run.step', { vcpu: 0 }).reason.kind).toBe('event-breakpoint');
    expect(session.ask('run.step', { vcpu: 0 })).toMatchObject({ reason: { kind: 'step' }, moment: { insns: 1 } });
  });

  it('a list is replaced as a whole, or not at all', () => {
    const session = code();
    session.ask('breakpoints.add', { spec: write });
    const wrong = { breakpoints: [{ spec: write }, { spec: write, condition: '(' }] };
    expect(session.refusal('breakpoints.replace', wrong)).toContain('breakpoint 2: the condition, column 2');
    expect(session.ask('breakpoints.list', {})).toHaveLength(1);
  });

  it('names the writers of sptes as KVM numbers them', () => {
    expect(SPTE_WRITER_WORDS).toEqual(SPTE_WRITERS);
  });
});
