import { describe, expect, it } from 'vitest';
import { sessionWith, type TestSession, sessionWithCode } from './debug-guest.ts';

const symbol = (session: TestSession, name: string): bigint => {
  const match = session.ask('symbols.search', { query: name, limit: 10 }).find((found) => found.name === name);
  if (match === undefined) throw new Error(`the guest has no symbol ${name}`);
  return match.address;
};
const rip = (session: TestSession): bigint => session.ask('machine.status', {}).vcpus[0].rip;
const addExec = (session: TestSession, name: string, more: object = {}) =>
  session.ask('breakpoints.add', { spec: { kind: 'exec', address: 0n, symbol: name }, ...more });

describe('a run', () => {
  it('goes to the end of the guest and says how it ended', () => {
    const session = sessionWith('hello');
    const status = session.run();
    expect(status).toMatchObject({ state: 'exited', reason: { kind: 'exited' } });
    expect(session.serial()).toContain('Hello from the guest.');
  });

  it('is refused once the guest has exited, and starts anew after a reset', () => {
    const session = sessionWith('hello');
    const first = session.run();
    expect(session.refusal('run.continue', {})).toContain('reset the machine');
    session.ask('machine.reset', {});
    expect(session.run().moment.insns).toBe(first.moment.insns);
  });

  it('pauses at exactly the instruction asked for', () => {
    const session = sessionWith('hello');
    expect(session.run(1234).moment.insns).toBe(1234);
  });
});

describe('stepping', () => {
  it('N times comes to the same machine as running N instructions', () => {
    const stepped = sessionWith('poller', { append: 'pause=3' });
    const ran = sessionWith('poller', { append: 'pause=3' });
    const count = 3000;
    for (let i = 0; i < count; i++) stepped.ask('run.step', { vcpu: 0 });
    const status = ran.run(count);
    expect(stepped.ask('machine.status', {}).moment.insns).toBe(count);
    expect(rip(stepped)).toBe(status.vcpus[0].rip);
    expect(stepped.isAt(ran.arenaBytes())).toBe(true);
  });

  it('cut in odd pieces comes to the same machine too', () => {
    const pieces = sessionWith('timer');
    const whole = sessionWith('timer');
    for (let at = 0; at < 60_000; at += 7919) pieces.run(at);
    pieces.run(60_000);
    whole.run(60_000);
    expect(pieces.isAt(whole.arenaBytes())).toBe(true);
  });

  it('over a call stops behind it, with the stack as before', () => {
    const session = sessionWith('hello');
    session.ask('run.to', { vcpu: 0, address: symbol(session, 'guest_main') });
    session.settle();
    const read = () => session.ask('disassembly.read', { vcpu: 0, address: rip(session), before: 0, count: 2 }).lines;
    for (let i = 0; i < 100 && !read()[0].text.startsWith('call'); i++) session.ask('run.step', { vcpu: 0 });
    const [call, behind] = read();
    expect(call.text).toMatch(/^call/);
    session.ask('run.stepOver', { vcpu: 0 });
    expect(session.settle()).toMatchObject({ state: 'paused', reason: { kind: 'step' } });
    expect(rip(session)).toBe(behind.address);
  });

  it.each([
    { what: 'a jump', code: [0xf2, 0xeb, 0x02, 0xf4, 0xf4, 0x90, 0xf4] },
    { what: 'a conditional jump', code: [0xf2, 0x71, 0x02, 0xf4, 0xf4, 0x90, 0xf4] },
    { what: 'an indirect jump', code: [0xf3, 0xff, 0xe0, 0xf4, 0xf4, 0x90, 0xf4], eax: 0x10_0005n },
  ])('over $what with a repeat prefix follows it', ({ code, eax }) => {
    const session = sessionWithCode(code);
    if (eax !== undefined) session.ask('registers.write', { vcpu: 0, name: 'rax', value: eax });
    session.ask('run.stepOver', { vcpu: 0 });
    expect(session.settle()).toMatchObject({ state: 'paused', reason: { kind: 'step' } });
    expect(rip(session)).toBe(0x10_0005n);
  });

  it('over a repeated string instruction stops behind it', () => {
    // mov ecx, 1000; rep lodsb; hlt
    const session = sessionWithCode([0xb9, 0xe8, 0x03, 0, 0, 0xf3, 0xac, 0xf4]);
    session.ask('run.step', { vcpu: 0 });
    session.ask('run.stepOver', { vcpu: 0 });
    expect(session.settle()).toMatchObject({ state: 'paused', reason: { kind: 'step' } });
    expect(rip(session)).toBe(0x10_0007n);
  });

  it('out of a function stops where it was called from', () => {
    const session = sessionWith('hello');
    addExec(session, 'put_text', { once: true });
    expect(session.run().reason.kind).toBe('breakpoint');
    const esp = session.ask('registers.read', { vcpu: 0 }).registers.find(({ name }) => name === 'rsp')?.value ?? 0n;
    const [stack] = session.ask('memory.read', { space: 'gva', vcpu: 0, address: esp, length: 4 }).spans;
    if (stack.kind !== 'bytes') throw new Error('the stack cannot be read');
    const caller = BigInt(Buffer.from(stack.bytes).readUInt32LE());
    session.ask('run.stepOut', { vcpu: 0 });
    expect(session.settle().reason.kind).toBe('step');
    expect(rip(session)).toBe(caller);
  });
});

describe('a breakpoint on execution', () => {
  it('stops before its instruction, and going on goes past it', () => {
    const session = sessionWith('hello');
    const { id } = addExec(session, 'guest_main');
    const at = symbol(session, 'guest_main');
    expect(session.run().reason).toEqual({ kind: 'breakpoint', id, vcpu: 0, address: at });
    expect(session.run().state).toBe('exited');
  });

  it('leaves no trace in the machine', () => {
    const broken = sessionWith('hello');
    const plain = sessionWith('hello');
    addExec(broken, 'put_text', { stopAtHit: 2 });
    while (broken.run().state === 'paused');
    plain.run();
    expect(broken.ask('breakpoints.list', {})[0].hits).toBeGreaterThan(2);
    expect(broken.isAt(plain.arenaBytes())).toBe(true);
  });

  it('at a symbol that the image lacks is refused', () => {
    const session = sessionWith('hello');
    const message = session.refusal('breakpoints.add', { spec: { kind: 'exec', address: 0n, symbol: 'nowhere' } });
    expect(message).toBe('hello has no symbol called nowhere.');
  });
});

describe('a breakpoint on MMIO faults', () => {
  const anywhere = { kind: 'mmio', start: 0n, length: 1n << 52n, access: 'any', freshness: 'any' } as const;

  it('stops before anything of the fault is handled', () => {
    const session = sessionWith('poller');
    session.ask('breakpoints.add', { spec: { ...anywhere, outcomes: ['EMULATE'] } });
    const status = session.run();
    expect(status.reason).toMatchObject({
      kind: 'mmio-breakpoint',
      fault: { outcome: 'EMULATE', gpa: 0xe000_0000n },
    });
    const { total } = session.ask('mmio.log', { since: 0, limit: 1 });
    const before = session.arenaBytes();
    session.ask('run.step', { vcpu: 0 });
    expect(session.ask('mmio.log', { since: 0, limit: 1 }).total).toBe(total + 1);
    expect(session.ask('machine.status', {}).moment.insns).toBe(status.moment.insns + 1);
    expect(session.isAt(before)).toBe(false);
  });

  it('leaves nothing in the machine, whose exits are counted once each', () => {
    const broken = sessionWith('poller', { append: 'limit=20 pause=10' });
    const plain = sessionWith('poller', { append: 'limit=20 pause=10' });
    broken.ask('breakpoints.add', { spec: { ...anywhere, outcomes: [] } });
    let stops = 0;
    while (broken.run().state === 'paused') stops += 1;
    plain.run();
    expect(stops).toBeGreaterThan(20);
    expect(broken.isAt(plain.arenaBytes())).toBe(true);
  });

  it('and one on the execution of the same instruction stop once each', () => {
    // mov eax, [0xfeb00000]; hlt
    const session = sessionWithCode([0xa1, 0, 0, 0xb0, 0xfe, 0xf4]);
    const exec = { kind: 'exec', address: 0x10_0000n } as const;
    session.ask('breakpoints.add', { spec: exec });
    session.ask('breakpoints.add', { spec: { ...anywhere, outcomes: [] } });
    expect([1, 2, 3].map(() => session.run().reason.kind)).toEqual(['breakpoint', 'mmio-breakpoint', 'halted']);
    expect(session.ask('breakpoints.list', {}).map(({ hits }) => hits)).toEqual([1, 1]);
  });

  it('tells a stale spte from a fresh one after a slot was made', () => {
    const session = sessionWith('poller');
    session.ask('breakpoints.add', { spec: { ...anywhere, outcomes: [], freshness: 'stale' } });
    session.run(300_000);
    const report = session.ask('memslots.set', {
      region: { slot: 5, flags: 0, guestPhysAddr: 0xc000_0000n, memorySize: 0x1000n, userspaceAddr: 0x7f00_0000_0000n },
    });
    expect(report).toMatchObject({ change: 'CREATE', mmioSptesGoneStale: 2, pagesZapped: 0 });
    expect(session.run()).toMatchObject({
      reason: { kind: 'mmio-breakpoint', fault: { outcome: 'INVALID', spteGen: 2, kvmGen: 3 } },
    });
  });
});
