/**
 * CPUID against execution, both ways: what it offers can be used, what it does not offer is #UD. The instructions are the
 * manuals' own for each bit (SDM vol 2 and APM vol 3, "CPUID Feature Flag" and #UD of each instruction).
 */
import { Code, CpuidFeature, Instruction, Mnemonic } from 'iced-x86';
import { describe, expect, it } from 'vitest';
import { VCPU_CR4 } from '../../../core/arena/vcpu-layout.ts';
import { cpuidLeaf } from '../../../core/x86/system/cpuid.ts';
import { FLOW_TABLE } from '../../../core/x86/decode/decode-flow.ts';
import { INTEGER_TABLE } from '../../../core/x86/decode/decode-integer.ts';
import { SYSTEM_TABLE } from '../../../core/x86/decode/decode-system.ts';
import { DATA, ExecGuest, UD } from './exec-guest.ts';

const intel = { amd: false, maxPhyAddr: 46, vcpuId: 0 };
const amd = { ...intel, amd: true };

type Word = '1.ecx' | '1.edx' | '7.ebx' | '7.ecx' | 'ext.ecx' | 'ext.edx';

function word(which: Word, model = intel): number {
  const [leaf, register] = which.split('.');
  const number = leaf === 'ext' ? 0x8000_0001 | 0 : Number(leaf);
  return cpuidLeaf(number, 0, model)[['eax', 'ebx', 'ecx', 'edx'].indexOf(register)];
}
const offers = (which: Word, bit: number): boolean => ((word(which) >>> bit) & 1) === 1;

const bytes = (hex: string): readonly number[] => hex.split(' ').map((byte) => parseInt(byte, 16));

/** 64-bit code; RSI points to memory, ECX holds an MSR where the row says one. */
interface Row {
  readonly name: string;
  readonly word: Word;
  readonly bit: number;
  readonly code: string;
  readonly msr?: number;
  readonly cr4?: number;
}
const row = (name: string, which: Word, bit: number, code: string, more: Partial<Row> = {}): Row => ({
  name,
  word: which,
  bit,
  code,
  ...more,
});

const RDMSR = '0f 32';
const READ_CR4 = '0f 20 e0';

/** The rest of what is offered has no instruction of its own: paging and its control bits (sys-registers and sys-walk test them). */
const OFFERED: readonly Row[] = [
  row('TSC', '1.edx', 4, '0f 31'),
  row('MSR', '1.edx', 5, RDMSR, { msr: 0x10 }),
  row('MCE', '1.edx', 7, READ_CR4, { cr4: 0x40 }),
  row('CX8', '1.edx', 8, '0f c7 0e'),
  row('SEP', '1.edx', 11, RDMSR, { msr: 0x174 }),
  row('MTRR', '1.edx', 12, RDMSR, { msr: 0xfe }),
  row('PGE', '1.edx', 13, READ_CR4, { cr4: 0x80 }),
  row('CMOV', '1.edx', 15, '0f 44 c1'),
  row('PAT', '1.edx', 16, RDMSR, { msr: 0x277 }),
  row('CLFLUSH', '1.edx', 19, '0f ae 3e'),
  row('CMPXCHG16B', '1.ecx', 13, '48 0f c7 0e'),
  row('MOVBE', '1.ecx', 22, '0f 38 f0 06'),
  row('POPCNT', '1.ecx', 23, 'f3 0f b8 c1'),
  row('FSGSBASE', '7.ebx', 0, 'f3 48 0f ae c0', { cr4: 0x1_0000 }),
  row('BMI1', '7.ebx', 3, 'c4 e2 70 f2 c2'),
  row('BMI2', '7.ebx', 8, 'c4 e2 f1 f7 c2'),
  row('ADX', '7.ebx', 19, '66 0f 38 f6 c1'),
  row('SMAP', '7.ebx', 20, '0f 01 cb'),
  row('SYSCALL', 'ext.edx', 11, RDMSR, { msr: 0xc000_0081 }),
  row('RDTSCP', 'ext.edx', 27, '0f 01 f9'),
  row('LAHF in 64-bit mode', 'ext.ecx', 0, '9f'),
  row('LZCNT', 'ext.ecx', 5, 'f3 0f bd c1'),
  row('PREFETCHW', 'ext.ecx', 8, '0f 0d 0e'),
];

const NOT_OFFERED: readonly Row[] = [
  row('MMX', '1.edx', 23, '0f 6f c1'),
  row('FXSR', '1.edx', 24, '0f ae 06'),
  row('SSE', '1.edx', 25, '0f 58 c1'),
  row('SSE2', '1.edx', 26, '66 0f 58 c1'),
  row('SSE3', '1.ecx', 0, 'f2 0f 7c c1'),
  row('PCLMULQDQ', '1.ecx', 1, '66 0f 3a 44 c1 00'),
  row('MONITOR', '1.ecx', 3, '0f 01 c8'),
  row('VMX', '1.ecx', 5, '0f 01 c4'),
  row('SMX', '1.ecx', 6, '0f 37'),
  row('SSSE3', '1.ecx', 9, '66 0f 38 00 c1'),
  row('FMA', '1.ecx', 12, 'c4 e2 71 98 c1'),
  row('SSE4.1', '1.ecx', 19, '66 0f 38 10 c1'),
  row('SSE4.2', '1.ecx', 20, '66 0f 38 37 c1'),
  row('AES', '1.ecx', 25, '66 0f 38 dc c1'),
  row('XSAVE', '1.ecx', 26, '0f ae 26'),
  row('OSXSAVE', '1.ecx', 27, '0f 01 d0'),
  row('AVX', '1.ecx', 28, 'c5 f0 58 c1'),
  row('F16C', '1.ecx', 29, 'c4 e2 79 13 c1'),
  row('RDRAND', '1.ecx', 30, '0f c7 f0'),
  row('HLE', '7.ebx', 4, '0f 01 d6'),
  row('AVX2', '7.ebx', 5, 'c4 e2 7d 78 c1'),
  row('INVPCID', '7.ebx', 10, '66 0f 38 82 06'),
  row('RTM', '7.ebx', 11, 'c7 f8 00 00 00 00'),
  row('AVX512F', '7.ebx', 16, '62 f1 7c 48 58 c1'),
  row('RDSEED', '7.ebx', 18, '0f c7 f8'),
  row('CLFLUSHOPT', '7.ebx', 23, '66 0f ae 3e'),
  row('CLWB', '7.ebx', 24, '66 0f ae 36'),
  row('SHA', '7.ebx', 29, '0f 38 c9 c1'),
  row('PKU', '7.ecx', 3, '0f 01 ee'),
  row('WAITPKG', '7.ecx', 5, 'f3 0f ae f1'),
  row('CET_SS', '7.ecx', 7, 'f3 48 0f ae e8'),
  row('GFNI', '7.ecx', 8, '66 0f 38 cf c1'),
  row('RDPID', '7.ecx', 22, 'f3 0f c7 f8'),
  row('MOVDIRI', '7.ecx', 27, '0f 38 f9 06'),
  row('SVM', 'ext.ecx', 2, '0f 01 d8'),
  row('SSE4A', 'ext.ecx', 6, 'f2 0f 79 c1'),
  row('XOP', 'ext.ecx', 11, '8f e9 78 c1 c1'),
  row('FMA4', 'ext.ecx', 16, 'c4 e3 71 69 c1 20'),
  row('TBM (BEXTR with an immediate)', 'ext.ecx', 21, '8f ea 78 10 c1 04 08 00 00'),
  row('TBM (BLSFILL)', 'ext.ecx', 21, '8f e9 78 01 d1'),
  row('3DNow!', 'ext.edx', 31, '0f 0f c1 9e'),
];

function vectorOf({ code, msr, cr4 }: Row): number {
  const guest = new ExecGuest(64);
  guest.load(bytes(code), { regs: { rsi: DATA, rcx: msr ?? 0 } });
  guest.r[VCPU_CR4] |= cr4 ?? 0;
  return guest.run().vector;
}

describe('a feature that CPUID offers', () => {
  it.each(OFFERED)('$name can be used', (feature) => {
    expect(offers(feature.word, feature.bit)).toBe(true);
    expect(vectorOf(feature)).toBe(-1);
  });
});

describe('a feature that CPUID does not offer', () => {
  it.each(NOT_OFFERED)('$name is an undefined opcode', (feature) => {
    expect(offers(feature.word, feature.bit)).toBe(false);
    expect(vectorOf(feature)).toBe(UD);
  });
});

/** What the decoder's word for an instruction set stands for: a bit that is offered, or why it needs none. */
const INSTRUCTION_SETS: Readonly<
  Record<string, readonly [Word, number] | 'always' | 'no operation' | 'hypercall' | 'without CPUID'>
> = {
  INTEL8086: 'always',
  INTEL8086_ONLY: 'always',
  INTEL186: 'always',
  INTEL286: 'always',
  INTEL386: 'always',
  INTEL486: 'always',
  X64: ['ext.edx', 29],
  CPUID: 'always',
  MSR: ['1.edx', 5],
  TSC: ['1.edx', 4],
  RDPMC: 'always',
  CX8: ['1.edx', 8],
  CMOV: ['1.edx', 15],
  SEP: ['1.edx', 11],
  CLFSH: ['1.edx', 19],
  CMPXCHG16B: ['1.ecx', 13],
  MOVBE: ['1.ecx', 22],
  POPCNT: ['1.ecx', 23],
  FSGSBASE: ['7.ebx', 0],
  BMI1: ['7.ebx', 3],
  BMI2: ['7.ebx', 8],
  ADX: ['7.ebx', 19],
  SMAP: ['7.ebx', 20],
  SYSCALL: ['ext.edx', 11],
  RDTSCP: ['ext.edx', 27],
  LZCNT: ['ext.ecx', 5],
  PREFETCHW: ['ext.ecx', 8],
  // Encodings that are NOP, or the instruction without its prefix, on a processor without the feature.
  PAUSE: 'no operation',
  MULTIBYTENOP: 'no operation',
  CET_IBT: 'no operation',
  CET_SS: 'no operation',
  CLDEMOTE: 'no operation',
  PREFETCHITI: 'no operation',
  PREFETCHWT1: 'no operation',
  WBNOINVD: 'no operation',
  // Of these VMCALL and VMMCALL alone: a guest calls its hypervisor by them, whether or not it could be one itself.
  VMX: 'hypercall',
  SVM: 'hypercall',
  // docs/fidelity.md, "The processor": CRC32, the fences, and two moves that a host can enable.
  SSE: 'without CPUID',
  SSE2: 'without CPUID',
  SSE4_2: 'without CPUID',
  // The decoder takes these only when told to, or they come out as #UD (above).
  INTEL486_A_ONLY: 'without CPUID',
  MOV_TR: 'without CPUID',
  KNC: 'without CPUID',
  TBM: 'without CPUID',
};
const WITHOUT_CPUID: readonly string[] = [
  'Sfence',
  'Lfence',
  'Mfence',
  'Movsd',
  'Cmpsd',
  'Crc32',
  'Prefetchnta',
  'Prefetcht0',
  'Prefetcht1',
  'Prefetcht2',
];

describe('an instruction that executes', () => {
  const tables = [INTEGER_TABLE, FLOW_TABLE, SYSTEM_TABLE];
  const executed = new Map<string, Set<Mnemonic>>();
  for (const code of Object.values(Code)) {
    if (typeof code !== 'number') continue;
    const instruction = new Instruction();
    instruction.code = code;
    const { mnemonic } = instruction;
    if (tables.some((table) => table.has(mnemonic))) {
      for (const feature of instruction.cpuidFeatures()) {
        const name = CpuidFeature[feature];
        executed.set(name, (executed.get(name) ?? new Set()).add(mnemonic));
      }
    }
    instruction.free();
  }

  it.each([...executed.keys()])('of %s is offered by CPUID, or needs no offer', (name) => {
    const offer = INSTRUCTION_SETS[name];
    expect(offer, `${name} is executed: say in which bit CPUID offers it`).toBeDefined();
    if (typeof offer === 'object') expect(offers(...offer)).toBe(true);
  });

  it('of the virtualization sets is a hypercall', () => {
    const names = ['VMX', 'SVM'].flatMap((set) => [...(executed.get(set) ?? [])]);
    expect(names.map((mnemonic) => Mnemonic[mnemonic])).toEqual(['Vmcall', 'Vmmcall']);
  });

  it('without an offer is one of a short list', () => {
    const names = ['SSE', 'SSE2', 'SSE4_2'].flatMap((set) => [...(executed.get(set) ?? [])]);
    expect(names.map((mnemonic) => Mnemonic[mnemonic]).toSorted()).toEqual(WITHOUT_CPUID.toSorted());
  });
});

describe('WBNOINVD', () => {
  it('is WBINVD where CPUID does not offer it', () => {
    expect(vectorOf(row('WBNOINVD', 'ext.ecx', 0, 'f3 0f 09'))).toBe(-1);
  });
});

describe('the vendors differ in', () => {
  it('leaf 0x80000001 EDX: AMD repeats what leaf 1 has in the same bits', () => {
    const shared = 0x0183_f3ff;
    expect(word('ext.edx', amd) & shared).toBe(word('1.edx', amd) & shared);
    expect(word('ext.edx', amd) & ~shared).toBe(word('ext.edx', intel));
    expect(word('ext.edx', intel) & shared).toBe(0);
  });

  it.each([8, 0x4000_0002, 0x8000_0009, 0xc000_0000])(
    'leaf %i, beyond the last: Intel answers with the last basic leaf, AMD with zeros',
    (leaf) => {
      expect(cpuidLeaf(leaf | 0, 0, intel)).toEqual(cpuidLeaf(7, 0, intel));
      expect(cpuidLeaf(leaf | 0, 0, amd)).toEqual([0, 0, 0, 0]);
    },
  );
});
