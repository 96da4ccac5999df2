/** What may be written into a register, and that the guest then finds it there. Those of the mode: special-registers.test.ts. */
import { describe, expect, it } from 'vitest';
import { sessionWith, type TestSession } from './debug-guest.ts';

const write = (session: TestSession, name: string, value: bigint) =>
  session.ask('registers.write', { vcpu: 0, name, value });
const refusal = (session: TestSession, name: string, value: bigint): string =>
  session.refusal('registers.write', { vcpu: 0, name, value });
const read = (session: TestSession, name: string): bigint | undefined =>
  session.ask('registers.read', { vcpu: 0 }).registers.find((register) => register.name === name)?.value;
const rip = (session: TestSession): bigint => session.ask('machine.status', {}).vcpus[0].rip;

function poke(session: TestSession, address: bigint, bytes: readonly number[]): void {
  session.ask('memory.write', { space: 'gpa', vcpu: 0, address, bytes: Uint8Array.from(bytes) });
}

/** The guest in 64-bit mode, past its way there. */
function longMode(): TestSession {
  const session = sessionWith('poller', { append: 'mode=long' });
  session.run(100_000);
  expect(session.ask('machine.status', {}).vcpus[0].mode).toBe('64-bit, 4-level paging');
  return session;
}

const CODE = 0x20_0000n;

describe('a register edit is refused', () => {
  const flat = sessionWith('poller');
  it.each([
    ['of a register that there is not', 'rzx', 0n, 'there is no register called rzx.'],
    ['that is too wide for 16 bits', 'gdtr_limit', 0x1_0000n, 'gdtr_limit has 16 bits; 0x10000 does not fit.'],
    ['that is too wide for 32 bits', 'tsc_aux', 1n << 32n, 'tsc_aux has 32 bits; 0x100000000 does not fit.'],
    [
      'to a rip that 32-bit code cannot reach',
      'rip',
      0x1_0000_0000n,
      'rip: 0x100000000 is above 4 GiB and the guest runs 32-bit code.',
    ],
    [
      'to an address that is not canonical',
      'lstar',
      0x8000_0000_0000n,
      'lstar: 0x800000000000 is not canonical (bits 63 to 47 must be equal).',
    ],
    [
      'to flags of virtual-8086 mode',
      'rflags',
      0x2_0002n,
      'rflags: the bits 0x20000 of 0x20002 are reserved or belong to virtual-8086 mode; leave them zero.',
    ],
    [
      'to reserved flags',
      'rflags',
      0x8000_802an,
      'rflags: the bits 0x80008028 of 0x8000802a are reserved or belong to virtual-8086 mode; leave them zero.',
    ],
  ])('%s', (_what, name, value, sentence) => {
    const before = flat.arenaBytes();
    expect(refusal(flat, name, value)).toBe(sentence);
    expect(flat.isAt(before), 'nothing has changed').toBe(true);
  });

  it('to a rip that is not canonical in 64-bit mode, and to one above 4 GiB is not', () => {
    const session = longMode();
    const sentence = 'rip: 0xffff000000000000 is not canonical (bits 63 to 47 must be equal).';
    expect(refusal(session, 'rip', 0xffff_0000_0000_0000n)).toBe(sentence);
    write(session, 'rip', 0xffff_8000_0000_0000n);
    expect(rip(session)).toBe(0xffff_8000_0000_0000n);
  });

  it('while the guest runs, and of a vCPU that there is not', () => {
    const session = sessionWith('poller');
    session.ask('run.continue', {});
    expect(refusal(session, 'rax', 1n)).toBe('pause the machine before you edit a register.');
    session.ask('run.pause', {});
    expect(session.refusal('registers.write', { vcpu: 3, name: 'rax', value: 1n })).toBe(
      'there is no vCPU 3: the machine has 1, counted from 0.',
    );
    expect(session.refusal('registers.write', { vcpu: 0, name: 'rax', value: -1n })).toContain('value');
  });
});

describe('a register edit is seen by the guest', () => {
  it('in every general register: pushed, they are what was written', () => {
    const session = sessionWith('poller');
    // pusha pushes eax, ecx, edx, ebx, the old esp, ebp, esi and edi.
    poke(session, CODE, [0x60]);
    const names = ['rax', 'rcx', 'rdx', 'rbx', 'rbp', 'rsi', 'rdi'];
    for (const [i, name] of names.entries()) write(session, name, 0x1111_1111n * BigInt(i + 1));
    write(session, 'rsp', 0x30_0000n);
    write(session, 'rip', CODE);
    session.ask('run.step', { vcpu: 0 });
    expect(rip(session)).toBe(CODE + 1n);
    const asked = { space: 'gpa', vcpu: 0, address: 0x30_0000n - 32n, length: 32 } as const;
    const [span] = session.ask('memory.read', asked).spans;
    if (span.kind !== 'bytes') throw new Error('the stack cannot be read');
    const pushed = Array.from({ length: 8 }, (_unused, i) => Buffer.from(span.bytes).readUInt32LE(4 * i));
    const [rax, rcx, rdx, rbx, rbp, rsi, rdi] = names.map((_name, i) => 0x1111_1111 * (i + 1));
    expect(pushed).toEqual([rdi, rsi, rbp, 0x30_0000, rbx, rdx, rcx, rax]);
  });

  it('in the flags: a branch goes the other way, and PUSHF pushes them', () => {
    const taken = (flags: bigint): bigint => {
      const session = sessionWith('poller');
      // cmp eax, eax leaves lazy flags behind; the edit comes between it and jz +0x10.
      poke(session, CODE, [0x39, 0xc0, 0x74, 0x10, 0x9c]);
      write(session, 'rip', CODE);
      session.ask('run.step', { vcpu: 0 });
      write(session, 'rflags', flags);
      session.ask('run.step', { vcpu: 0 });
      return rip(session);
    };
    expect(taken(0x2n)).toBe(CODE + 4n);
    expect(taken(0x42n)).toBe(CODE + 0x14n);
    const session = sessionWith('poller');
    poke(session, CODE, [0x9c]);
    write(session, 'rip', CODE);
    write(session, 'rsp', 0x30_0000n);
    write(session, 'rflags', 0x24_08d5n);
    expect(read(session, 'rflags'), 'bit 1 is always one').toBe(0x24_08d7n);
    session.ask('run.step', { vcpu: 0 });
    const asked = { space: 'gpa', vcpu: 0, address: 0x2f_fffcn, length: 4 } as const;
    const [span] = session.ask('memory.read', asked).spans;
    if (span.kind !== 'bytes') throw new Error('the stack cannot be read');
    expect(Buffer.from(span.bytes).readUInt32LE()).toBe(0x24_08d7);
  });

  it('in the segment bases and MSRs of 64-bit mode', () => {
    const session = longMode();
    // mov rax, fs:[0]; then rdmsr of LSTAR.
    poke(session, CODE, [0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0xb9, 0x82, 0, 0, 0xc0, 0x0f, 0x32]);
    poke(session, 0x31_0000n, [1, 2, 3, 4, 5, 6, 7, 8]);
    write(session, 'rip', CODE);
    write(session, 'fs_base', 0x31_0000n);
    write(session, 'lstar', 0xffff_8000_1234_5678n);
    session.ask('run.step', { vcpu: 0 });
    expect(read(session, 'rax')).toBe(0x0807_0605_0403_0201n);
    session.ask('run.step', { vcpu: 0, count: 2 });
    expect(read(session, 'rax')).toBe(0x1234_5678n);
    expect(read(session, 'rdx')).toBe(0xffff_8000n);
  });

  it('by a name in any case, and it is what the reply shows', () => {
    const session = sessionWith('poller');
    const { registers } = write(session, 'R15', 0xdead_beef_0000_0001n);
    expect(registers.find(({ name }) => name === 'r15')?.value).toBe(0xdead_beef_0000_0001n);
  });

  it('at a breakpoint: moved elsewhere and back, the guest stops there again', () => {
    const session = sessionWith('poller');
    const at = rip(session);
    session.ask('breakpoints.add', { spec: { kind: 'exec', address: at } });
    expect(session.run().reason.kind).toBe('breakpoint');
    write(session, 'rip', at);
    expect(session.run().reason).toMatchObject({ kind: 'breakpoint', address: at });
  });
});
