import { describe, expect, it } from 'vitest';
import { ExecGuest, type Registers, UD } from './exec-guest.ts';

const CF = 1;
const ZF = 0x40;
const SF = 0x80;
const OF = 0x800;

/** VEX three-byte prefix and opcode for a BMI instruction on RAX (destination), RCX (r/m), RDX (vvvv) with W = 1. */
const vex = (map: number, pp: number, opcode: number, modrm: number, ...rest: number[]): number[] => [
  0xc4,
  0xe0 | map,
  0x80 | ((~2 & 15) << 3) | pp,
  opcode,
  modrm,
  ...rest,
];
const RAX_RCX = 0xc1;
const noVvvv = (code: number[]): number[] => code.with(2, code[2] | 0x78);

interface Row {
  readonly what: string;
  readonly code: readonly number[];
  readonly regs: Registers;
  readonly flags?: number;
  readonly after: Registers;
  readonly defined?: number;
  readonly expected?: number;
}

describe('bit manipulation in 64-bit code', () => {
  const guest = new ExecGuest(64);
  const value = 0x8000_00f0_0000_1230n;
  const rows: readonly Row[] = [
    {
      what: 'ANDN',
      code: vex(2, 0, 0xf2, RAX_RCX),
      regs: { rcx: 0xffn, rdx: 0x0fn },
      after: { rax: 0xf0 },
      defined: ZF | SF | CF | OF,
      expected: 0,
    },
    {
      what: 'BEXTR across the halves',
      code: vex(2, 0, 0xf7, RAX_RCX),
      regs: { rcx: value, rdx: 0x101c },
      after: { rax: 0x0f00 },
      defined: ZF,
      expected: 0,
    },
    {
      what: 'BEXTR from beyond the operand',
      code: vex(2, 0, 0xf7, RAX_RCX),
      regs: { rcx: value, rdx: 0x1040 },
      after: { rax: 0 },
      defined: ZF,
      expected: ZF,
    },
    {
      what: 'BLSI',
      code: vex(2, 0, 0xf3, 0xd9).with(2, 0x80 | ((~0 & 15) << 3)),
      regs: { rcx: 0x10_0000_0000n },
      after: { rax: 0x10_0000_0000n },
      defined: CF | ZF,
      expected: CF,
    },
    {
      what: 'BLSR',
      code: vex(2, 0, 0xf3, 0xc9).with(2, 0x80 | ((~0 & 15) << 3)),
      regs: { rcx: 0x30_0000_0000n },
      after: { rax: 0x20_0000_0000n },
      defined: CF | ZF,
      expected: 0,
    },
    {
      what: 'BLSMSK of zero',
      code: vex(2, 0, 0xf3, 0xd1).with(2, 0x80 | ((~0 & 15) << 3)),
      regs: { rcx: 0 },
      after: { rax: 0xffff_ffff_ffff_ffffn },
      defined: CF | SF,
      expected: CF | SF,
    },
    {
      what: 'BZHI at 36',
      code: vex(2, 0, 0xf5, RAX_RCX),
      regs: { rcx: 0xffff_ffff_ffff_ffffn, rdx: 36 },
      after: { rax: 0xf_ffff_ffffn },
      defined: CF,
      expected: 0,
    },
    {
      what: 'BZHI beyond the operand',
      code: vex(2, 0, 0xf5, RAX_RCX),
      regs: { rcx: 5, rdx: 64 },
      after: { rax: 5 },
      defined: CF,
      expected: CF,
    },
    {
      what: 'PDEP',
      code: vex(2, 3, 0xf5, RAX_RCX),
      regs: { rdx: 0b1011, rcx: 0x8000_0001_0000_0110n },
      after: { rax: 0x8000_0000_0000_0110n },
    },
    {
      what: 'PEXT',
      code: vex(2, 2, 0xf5, RAX_RCX),
      regs: { rdx: 0x8000_0000_0000_0110n, rcx: 0x8000_0001_0000_0110n },
      after: { rax: 0b1011 },
    },
    {
      what: 'MULX leaves the flags',
      code: vex(2, 3, 0xf6, RAX_RCX).with(2, 0x80 | ((~3 & 15) << 3) | 3),
      regs: { rdx: 0xffff_ffff_ffff_ffffn, rcx: 16 },
      flags: CF | ZF,
      after: { rax: 15, rbx: 0xffff_ffff_ffff_fff0n },
      defined: CF | ZF | SF,
      expected: CF | ZF,
    },
    {
      what: 'RORX by 36',
      code: noVvvv(vex(3, 3, 0xf0, RAX_RCX, 36)),
      regs: { rcx: 0x1_0000_000fn },
      after: { rax: 0xf000_0000n | ((0x1_0000_000fn << 28n) & 0xffff_ffff_ffff_ffffn) },
    },
    {
      what: 'SARX',
      code: vex(2, 2, 0xf7, RAX_RCX),
      regs: { rcx: 0x8000_0000_0000_0000n, rdx: 100 },
      after: { rax: 0xffff_ffff_f800_0000n },
    },
    { what: 'SHLX', code: vex(2, 1, 0xf7, RAX_RCX), regs: { rcx: 3, rdx: 95 }, after: { rax: 0x1_8000_0000n } },
    { what: 'SHRX', code: vex(2, 3, 0xf7, RAX_RCX), regs: { rcx: 0x3_0000_0000n, rdx: 33 }, after: { rax: 1 } },
    {
      what: 'ADCX through CF',
      code: [0x66, 0x48, 0x0f, 0x38, 0xf6, 0xc1],
      regs: { rax: 0xffff_ffff_ffff_ffffn, rcx: 0 },
      flags: CF | ZF,
      after: { rax: 0 },
      defined: CF | OF | ZF,
      expected: CF | ZF,
    },
    {
      what: 'ADOX through OF',
      code: [0xf3, 0x48, 0x0f, 0x38, 0xf6, 0xc1],
      regs: { rax: 1, rcx: 1 },
      flags: OF,
      after: { rax: 3 },
      defined: CF | OF,
      expected: 0,
    },
    {
      what: 'MOV from an absolute 64-bit address',
      code: [0x48, 0xa1, 0x00, 0x40, 0, 0, 0, 0, 0, 0],
      regs: { rax: 7 },
      after: { rax: 0 },
    },
  ];
  it.each(rows)('$what', ({ code, regs, flags, after, defined, expected }) => {
    guest.execute(code, { regs, flags: flags ?? 0 });
    expect(guest.vector).toBe(-1);
    for (const [name, value] of Object.entries(after)) expect(guest.reg(name), name).toBe(BigInt(value));
    if (defined !== undefined) expect(guest.flags & defined).toBe(expected);
  });

  it.each([
    ['RDRAND', [0x0f, 0xc7, 0xf0]],
    ['XABORT', [0xc6, 0xf8, 0x00]],
    ['XGETBV', [0x0f, 0x01, 0xd0]],
    ['an SSE move without CR4.OSFXSR', [0x0f, 0x28, 0xc1]],
    ['MOVSD on XMM registers without CR4.OSFXSR', [0xf2, 0x0f, 0x10, 0xc1]],
    ['an AVX move', [0xc5, 0xf8, 0x28, 0xc1]],
    ['PUSHA in 64-bit mode', [0x60]],
    ['DAA in 64-bit mode', [0x27]],
    ['INTO in 64-bit mode', [0xce]],
  ] as const)('%s is an undefined opcode here', (_what, code) => {
    guest.execute(code);
    expect(guest.vector).toBe(UD);
  });

  it('an instruction longer than 15 bytes is #GP', () => {
    guest.execute([...Array<number>(15).fill(0x66), 0x90]);
    expect(guest.vector).toBe(13);
  });

  it('x87 without CR0.EM stops the machine and says which instruction it was', () => {
    guest.load([0xd9, 0xe8]);
    expect(() => guest.run()).toThrow(/fld1/);
  });
});
