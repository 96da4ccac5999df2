import { describe, expect, it } from 'vitest';
import { BR, DATA, DE, ExecGuest, type Registers, STACK_TOP, UD } from './exec-guest.ts';

/** SF ZF AF PF CF OF as RFLAGS has them. */
const CF = 1;
const PF = 4;
const AF = 0x10;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;
const ARITHMETIC = CF | PF | AF | ZF | SF | OF;

interface Row {
  readonly what: string;
  readonly code: readonly number[];
  readonly regs?: Registers;
  readonly flags?: number;
  readonly data?: readonly number[];
  readonly after: Registers;
  /** Mask of the flags that are defined, and their values. */
  readonly defined?: number;
  readonly expected?: number;
}

function check(guest: ExecGuest, row: Row): void {
  guest.execute(row.code, { regs: row.regs ?? {}, flags: row.flags ?? 0, data: row.data ?? [] });
  expect(guest.vector).toBe(-1);
  for (const [name, value] of Object.entries(row.after)) expect(guest.reg(name), name).toBe(BigInt(value));
  if (row.defined !== undefined) expect(guest.flags & row.defined).toBe(row.expected ?? 0);
}

describe('32-bit code', () => {
  const guest = new ExecGuest(32);

  // Results and flags from the pages of the SDM, vol 2; AAM to DAS are checked against their pseudocode by hand.
  const rows: readonly Row[] = [
    {
      what: 'INC r32 in one byte keeps CF',
      code: [0x40],
      regs: { rax: 0x7fff_ffff },
      flags: CF,
      after: { rax: 0x8000_0000n },
      defined: ARITHMETIC,
      expected: CF | PF | AF | SF | OF,
    },
    {
      what: 'DEC r16 in one byte',
      code: [0x66, 0x49],
      regs: { rcx: 0x1234_0000 },
      after: { rcx: 0x1234_ffff },
      defined: ARITHMETIC,
      expected: PF | AF | SF,
    },
    {
      what: 'ADD AX, imm16 leaves the upper half',
      code: [0x66, 0x05, 0x01, 0x80],
      regs: { rax: 0xaaaa_8000 },
      after: { rax: 0xaaaa_0001n },
      defined: ARITHMETIC,
      expected: CF | OF,
    },
    {
      what: 'MOV with a 16-bit address uses BX+SI',
      code: [0x67, 0x8b, 0x00],
      regs: { rbx: 0xffff_3ff0, rsi: 0xffff_0010 },
      data: [0x78, 0x56, 0x34, 0x12],
      after: { rax: 0x1234_5678 },
    },
    {
      what: 'DAA of 79h + 35h',
      code: [0x04, 0x35, 0x27],
      regs: { rax: 0x79 },
      after: { rax: 0x14 },
      defined: CF | AF | ZF | SF | PF,
      expected: CF | AF | PF,
    },
    {
      what: 'DAA with nothing to adjust',
      code: [0x27],
      regs: { rax: 0x12 },
      after: { rax: 0x12 },
      defined: CF | AF,
      expected: 0,
    },
    {
      what: 'DAS of 35h − 47h',
      code: [0x2c, 0x47, 0x2f],
      regs: { rax: 0x35 },
      after: { rax: 0x88 },
      defined: CF | AF | ZF | SF,
      expected: CF | AF | SF,
    },
    {
      what: 'AAA after 8 + 6',
      code: [0x37],
      regs: { rax: 0x000e },
      after: { rax: 0x0104 },
      defined: CF | AF,
      expected: CF | AF,
    },
    {
      what: 'AAA with nothing to adjust clears the upper nibble',
      code: [0x37],
      regs: { rax: 0x0135 },
      after: { rax: 0x0105 },
      defined: CF | AF,
      expected: 0,
    },
    {
      what: 'AAS after a borrow',
      code: [0x3f],
      regs: { rax: 0x02ff },
      flags: AF,
      after: { rax: 0x0109 },
      defined: CF | AF,
      expected: CF | AF,
    },
    {
      what: 'AAM by ten',
      code: [0xd4, 0x0a],
      regs: { rax: 0x3f },
      after: { rax: 0x0603 },
      defined: ZF | SF | PF,
      expected: PF,
    },
    {
      what: 'AAD by ten',
      code: [0xd5, 0x0a],
      regs: { rax: 0x0603 },
      after: { rax: 0x3f },
      defined: ZF | SF | PF,
      expected: PF,
    },
    { what: 'SALC with CF', code: [0xd6], regs: { rax: 0x1200 }, flags: CF, after: { rax: 0x12ff } },
    {
      what: 'ARPL raises the RPL',
      code: [0x63, 0xc8],
      regs: { rax: 0x10, rcx: 3 },
      after: { rax: 0x13 },
      defined: ZF,
      expected: ZF,
    },
    {
      what: 'ARPL leaves a higher RPL',
      code: [0x63, 0xc8],
      regs: { rax: 0x13, rcx: 1 },
      flags: ZF,
      after: { rax: 0x13 },
      defined: ZF,
      expected: 0,
    },
    {
      what: 'LOOP with a 16-bit counter',
      code: [0x67, 0xe2, 0x01, 0x40, 0x42],
      regs: { rcx: 0x5_0001 },
      after: { rcx: 0x5_0000, rax: 1, rdx: 1 },
    },
    {
      what: 'JCXZ looks at CX alone',
      code: [0x67, 0xe3, 0x01, 0x40, 0x42],
      regs: { rcx: 0x5_0000 },
      after: { rax: 0, rdx: 1 },
    },
    {
      what: 'JECXZ looks at all of ECX',
      code: [0xe3, 0x01, 0x40, 0x42],
      regs: { rcx: 0x5_0000 },
      after: { rax: 1, rdx: 1 },
    },
    {
      what: 'MUL r32',
      code: [0xf7, 0xe1],
      regs: { rax: 0xffff_ffffn, rcx: 0xffff_ffffn },
      after: { rax: 1, rdx: 0xffff_fffen },
      defined: CF | OF,
      expected: CF | OF,
    },
    {
      what: 'IDIV r32 towards zero',
      code: [0x99, 0xf7, 0xf9],
      regs: { rax: 0xffff_fff9n, rcx: 2 },
      after: { rax: 0xffff_fffdn, rdx: 0xffff_ffffn },
    },
    {
      what: 'LEA with a 16-bit address wraps at 64 KiB',
      code: [0x67, 0x8d, 0x47, 0x10],
      regs: { rbx: 0xfff8 },
      after: { rax: 8 },
    },
    { what: 'XLAT', code: [0xd7], regs: { rbx: DATA, rax: 0x1002 }, data: [1, 2, 0x99], after: { rax: 0x1099 } },
    {
      what: 'PUSH and POP of a 16-bit register',
      code: [0x66, 0x50, 0x66, 0x59],
      regs: { rax: 0x1234, rcx: 0xffff_0000n },
      after: { rcx: 0xffff_1234n, rsp: STACK_TOP },
    },
    {
      what: 'POP [ESP] counts from the new ESP',
      code: [0x6a, 0x11, 0x6a, 0x22, 0x8f, 0x04, 0x24, 0x58],
      after: { rax: 0x22, rsp: STACK_TOP },
    },
    { what: 'PUSH ESP pushes the old value', code: [0x54, 0x58], after: { rax: STACK_TOP } },
    {
      what: 'ENTER 16, 0 and LEAVE',
      code: [0xc8, 16, 0, 0, 0x89, 0xe0, 0xc9],
      regs: { rbp: 0x77 },
      after: { rax: STACK_TOP - 20, rbp: 0x77, rsp: STACK_TOP },
    },
    { what: 'BOUND inside', code: [0x62, 0x06], regs: { rax: 0, rsi: DATA }, after: { rax: 0 } },
    {
      what: 'CMPXCHG8B that fails loads EDX:EAX',
      code: [0x0f, 0xc7, 0x0e],
      regs: { rsi: DATA, rax: 1, rdx: 2 },
      after: { rax: 0, rdx: 0 },
      defined: ZF,
      expected: 0,
    },
    { what: 'MOV ECX, DS zero-extends', code: [0x8c, 0xd9], regs: { rcx: 0xffff_ffffn }, after: { rcx: 0x10 } },
  ];
  it.each(rows)('$what', (row) => check(guest, row));

  it('PUSHA stores all registers with the old ESP, POPA takes all but ESP', () => {
    const regs = { rax: 1, rcx: 2, rdx: 3, rbx: 4, rbp: 6, rsi: 7, rdi: 8 };
    guest.execute([0x60], { regs });
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((n) => Number(guest.stack(n)))).toEqual([8, 7, 6, STACK_TOP, 4, 3, 2, 1]);
    // Everything is overwritten in between.
    guest.execute([0x60, 0x31, 0xc0, 0x31, 0xff, 0x31, 0xed, 0x61], { regs });
    for (const [name, value] of Object.entries(regs)) expect(guest.reg(name)).toBe(BigInt(value));
    expect(guest.reg('rsp')).toBe(BigInt(STACK_TOP));
  });

  it('nested ENTER copies the frame pointers of the levels above', () => {
    // ENTER 0,1 twice: the second copies nothing but pushes its own frame; level 2 copies one.
    guest.execute([0xc8, 0, 0, 1, 0xc8, 4, 0, 2], { regs: { rbp: 0x55 } });
    const first = BigInt(STACK_TOP - 4);
    const second = BigInt(STACK_TOP - 12);
    expect(guest.reg('rbp')).toBe(second);
    expect([1, 2, 3, 4, 5].map((n) => guest.stack(n))).toEqual([second, first, first, first, 0x55n]);
  });

  it.each([
    ['AAM by zero', [0xd4, 0x00], {}, DE],
    ['DIV by zero', [0xf7, 0xf1], {}, DE],
    ['IDIV whose quotient does not fit', [0xf7, 0xf9], { rdx: 0x8000_0000n, rcx: 0xffff_ffffn }, DE],
    ['BOUND outside', [0x62, 0x06], { rax: 1, rsi: DATA }, BR],
    ['UD2', [0x0f, 0x0b], {}, UD],
    ['ARPL does not take LOCK', [0xf0, 0x63, 0xc8], {}, UD],
  ] as const)('%s faults with RIP at the instruction', (_what, code, regs, vector) => {
    guest.execute(code, { regs });
    expect(guest.vector).toBe(vector);
    expect(guest.stack(0)).toBe(0x1000n);
  });
});

describe('16-bit code', () => {
  const guest = new ExecGuest(16);
  const rows: readonly Row[] = [
    {
      what: 'ADD is of 16 bits',
      code: [0x01, 0xc8],
      regs: { rax: 0x1_ffff, rcx: 1 },
      after: { rax: 0x1_0000 },
      defined: ARITHMETIC,
      expected: CF | PF | AF | ZF,
    },
    {
      what: 'an operand-size prefix makes it 32',
      code: [0x66, 0x01, 0xc8],
      regs: { rax: 0xffff, rcx: 1 },
      after: { rax: 0x1_0000 },
    },
    {
      what: 'a 16-bit stack moves SP alone',
      code: [0x50, 0x59],
      regs: { rax: 0x55aa, rsp: 0xdead_9000n },
      after: { rcx: 0x55aa, rsp: 0xdead_9000n },
    },
    { what: 'CALL and RET push IP', code: [0xe8, 0x02, 0x00, 0x40, 0xf4, 0xc3], after: { rax: 1, rsp: STACK_TOP } },
    {
      what: 'an address-size prefix allows EAX as base',
      code: [0x67, 0x8b, 0x08],
      regs: { rax: DATA },
      after: { rcx: 0 },
    },
    {
      what: 'MUL r16 spreads over DX:AX',
      code: [0xf7, 0xe1],
      regs: { rax: 0xffff, rcx: 0x10 },
      after: { rax: 0xfff0, rdx: 0xf },
    },
    { what: 'LOOP counts CX', code: [0xe2, 0xfe], regs: { rcx: 0x7_0003 }, after: { rcx: 0x7_0000 } },
    {
      what: 'REP STOSB wraps DI and counts CX',
      code: [0xf3, 0xaa],
      regs: { rcx: 0xa_0004, rdi: DATA, rax: 0x5a },
      after: { rcx: 0xa_0000, rdi: DATA + 4 },
    },
  ];
  it.each(rows)('$what', (row) => check(guest, row));
});
