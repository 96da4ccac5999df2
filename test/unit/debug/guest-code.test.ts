import { describe, expect, it } from 'vitest';
import { boundariesBefore } from '../../../core/debug/run/code-boundaries.ts';
import { GuestCode } from '../../../core/debug/code/guest-code.ts';
import { InsnText } from '../../../core/debug/code/insn-text.ts';
import type { MemorySpan } from '../../../core/protocol/snapshots.ts';

const bytes = (offset: number, ...values: number[]): MemorySpan => ({
  kind: 'bytes',
  offset,
  length: values.length,
  bytes: Uint8Array.from(values),
});

// push ebp; mov ebp, esp; mov eax, 0x12345678; call 0x100010; ret
const FUNCTION = [0x55, 0x89, 0xe5, 0xb8, 0x78, 0x56, 0x34, 0x12, 0xe8, 0x03, 0x00, 0x00, 0x00, 0xc3];
const START = 0x10_0000n;
const STARTS = [0n, 1n, 3n, 8n, 13n].map((offset) => START + offset);
const code = new GuestCode(START, 32, [bytes(0, ...FUNCTION)]);

const textOf = (where: GuestCode, address: bigint, name?: string): string => {
  const instruction = where.decode(address);
  const text = new InsnText().format(instruction, () => name);
  instruction.free();
  return text;
};

describe('instruction text', () => {
  it.each([
    [0n, undefined, 'push ebp'],
    [1n, undefined, 'mov ebp, esp'],
    [3n, undefined, 'mov eax, 0x12345678'],
    [8n, undefined, 'call 0x100010'],
    [8n, 'helper+0x3', 'call 0x100010 <helper+0x3>'],
    [13n, undefined, 'ret'],
  ])('at +%d reads as the manual writes it', (offset, name, expected) => {
    expect(textOf(code, START + offset, name)).toBe(expected);
  });

  it('calls bytes that make no instruction bad', () => {
    expect(textOf(new GuestCode(START, 32, [bytes(0, 0xff, 0xff)]), START)).toBe('(bad)');
  });

  it('calls an instruction bad that runs into memory that cannot be read', () => {
    const cut: MemorySpan = { kind: 'unreadable', offset: 2, length: 4, reason: 'not present' };
    const half = new GuestCode(START, 32, [bytes(0, 0xb8, 0x78), cut]);
    expect(textOf(half, START)).toBe('(bad)');
    expect(half.unreadableAt(START + 2n)).toEqual({ reason: 'not present', end: START + 6n });
  });
});

describe('a near call with an operand-size prefix in 64-bit code', () => {
  const call = [bytes(0, 0x66, 0xe8, 0x03, 0x00, 0x90, 0x90, 0x90, 0x90)];
  const lengthOf = (where: GuestCode): number => {
    const instruction = where.decode(START);
    const { length } = instruction;
    instruction.free();
    return length;
  };

  it('is read as the processor that runs it reads it', () => {
    expect(lengthOf(new GuestCode(START, 64, call, 'Intel'))).toBe(6);
    expect(lengthOf(new GuestCode(START, 64, call, 'AMD'))).toBe(4);
  });
});

describe('instructions before an address', () => {
  it('are found by reading forward from a symbol', () => {
    expect(boundariesBefore(code, START + 13n, 3, START)).toEqual(STARTS.slice(1, 4));
  });

  it('are found without a symbol where reading forward comes out at the address', () => {
    expect(boundariesBefore(code, START + 13n, 4, undefined)).toEqual(STARTS.slice(0, 4));
  });

  it('are not made up: a symbol in the middle of an instruction is passed over', () => {
    // From +4 the immediate's bytes read as other instructions, which do not end at +8.
    const starts = boundariesBefore(code, START + 8n, 3, START + 7n);
    expect(starts.every((start) => STARTS.includes(start))).toBe(true);
  });

  it('do not reach across memory that cannot be read', () => {
    const gap: MemorySpan = { kind: 'unreadable', offset: 0, length: 16, reason: 'not present' };
    const behind = new GuestCode(START, 32, [gap, bytes(16, 0x90, 0x90, 0xc3)]);
    expect(boundariesBefore(behind, START + 18n, 5, undefined)).toEqual([START + 16n, START + 17n]);
  });
});
