/**
 * The two SSE2 instructions that share a name with string instructions, MOVSD and CMPSD on XMM registers. CPUID offers no
 * SSE in this version and CR4.OSFXSR cannot be set by a guest, for whom they are #UD; where a host set the bit they work.
 */
import { VCPU_CR0, VCPU_CR4, VCPU_MXCSR, VCPU_XMM } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, raiseUd, raiseUnimplemented, VECTOR_NM, VECTOR_XM } from '../interrupts/exceptions.ts';
import { address } from './exec-address.ts';
import { readMemory, writeMemory } from './exec-operand.ts';
import {
  I_DST,
  I_IMM,
  I_OPERATION,
  I_SRC,
  KIND_MEMORY,
  operationNumber,
  QWORD,
  sourceKind,
} from '../decode/instruction.ts';
import { load8 } from '../memory/memory-access.ts';

const CR0_EM = 4;
const CR0_TS = 8;
const CR4_OSFXSR = 0x200;
const CR4_OSXMMEXCPT = 0x400;

/** #UD without operating system support, #NM after a task switch (SDM vol 2, "Exceptions Type 5"). */
function mayUseSse(cpu: Cpu): boolean {
  const { r } = cpu;
  if ((r[VCPU_CR0] & CR0_EM) !== 0 || (r[VCPU_CR4] & CR4_OSFXSR) === 0) raiseUd(cpu);
  else if ((r[VCPU_CR0] & CR0_TS) !== 0) raiseException(cpu, VECTOR_NM, false, 0);
  return cpu.abort === 0;
}

/** Any other instruction on MMX or XMM registers: its faults come first, then the machine stops and says what it is. */
export function executeUnimplementedSse(cpu: Cpu, i: number): void {
  if (!mayUseSse(cpu) || !mayRead(cpu, i)) return;
  raiseUnimplemented(cpu, cpu.decoder.describe(i));
}

/**
 * x87 and WAIT. This processor offers no x87 (CPUID.01H:EDX.FPU = 0): with CR0.EM or CR0.TS the answer is #NM, as an
 * operating system without FPU arranges; without either the operand's faults come first, then the machine stops.
 */
export function executeX87(cpu: Cpu, i: number): void {
  if ((cpu.r[VCPU_CR0] & (CR0_EM | CR0_TS)) !== 0) raiseException(cpu, VECTOR_NM, false, 0);
  else if (mayRead(cpu, i)) raiseUnimplemented(cpu, cpu.decoder.describe(i));
}

/** The operation is 1 when there is a memory operand. */
function mayRead(cpu: Cpu, i: number): boolean {
  if (operationNumber(cpu.code[i + I_OPERATION]) === 0) return true;
  const lo = address(cpu, i, 1);
  if (cpu.abort === 0) load8(cpu, lo, cpu.hi);
  return cpu.abort === 0;
}

/** MOVSD xmm, m64 clears the upper half; MOVSD xmm, xmm leaves it; MOVSD m64, xmm stores the lower. */
export function executeMoveScalar(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  if (!mayUseSse(cpu)) return;
  const op = operationNumber(code[i + I_OPERATION]);
  if (op === 1) {
    const from = code[i + I_SRC];
    writeMemory(cpu, i, QWORD, r[from], r[from + 1]);
    return;
  }
  const to = code[i + I_DST];
  if (sourceKind(code[i + I_OPERATION]) === KIND_MEMORY) {
    const lo = readMemory(cpu, i, QWORD);
    if (cpu.abort !== 0) return;
    r[to] = lo;
    r[to + 1] = cpu.hi;
    r[to + 2] = 0;
    r[to + 3] = 0;
    return;
  }
  const from = code[i + I_SRC];
  r[to] = r[from];
  r[to + 1] = r[from + 1];
}

const MXCSR_INVALID = 1;
const MXCSR_DENORMAL = 2;
const MXCSR_DAZ = 0x40;
/** Masks of the exceptions lie this far above their flags. */
const MXCSR_MASK_SHIFT = 7;

const EXPONENT = 0x7ff0_0000;
const isNan = (lo: number, hi: number): boolean => (hi & EXPONENT) === EXPONENT && ((hi & 0xf_ffff) | lo) !== 0;
const isSignalling = (lo: number, hi: number): boolean => isNan(lo, hi) && (hi & 0x8_0000) === 0;
const isDenormal = (lo: number, hi: number): boolean => (hi & EXPONENT) === 0 && ((hi & 0xf_ffff) | lo) !== 0;

/** CMPSD: all ones or zeros into the lower half. Predicates 0 … 7 in the low bits of the immediate. */
export function executeCompareScalar(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  if (!mayUseSse(cpu)) return;
  const to = code[i + I_DST];
  let bLo: number;
  let bHi: number;
  if (sourceKind(code[i + I_OPERATION]) === KIND_MEMORY) {
    bLo = readMemory(cpu, i, QWORD);
    bHi = cpu.hi;
    if (cpu.abort !== 0) return;
  } else {
    bLo = r[code[i + I_SRC]];
    bHi = r[code[i + I_SRC] + 1];
  }
  const aLo = r[to];
  const aHi = r[to + 1];
  const predicate = code[i + I_IMM] & 7;
  const unordered = isNan(aLo, aHi) || isNan(bLo, bHi);
  // LT, LE and their negations signal for any NaN; EQ and UNORD and theirs for a signalling one.
  const loud = predicate === 1 || predicate === 2 || predicate === 5 || predicate === 6;
  let raised = 0;
  if (unordered) {
    if (loud || isSignalling(aLo, aHi) || isSignalling(bLo, bHi)) raised = MXCSR_INVALID;
  } else if ((r[VCPU_MXCSR] & MXCSR_DAZ) === 0 && (isDenormal(aLo, aHi) || isDenormal(bLo, bHi))) {
    raised = MXCSR_DENORMAL;
  }
  r[VCPU_MXCSR] |= raised;
  if ((raised & ~(r[VCPU_MXCSR] >> MXCSR_MASK_SHIFT)) !== 0) {
    if ((r[VCPU_CR4] & CR4_OSXMMEXCPT) === 0) raiseUd(cpu);
    else raiseException(cpu, VECTOR_XM, false, 0);
    return;
  }
  const holds = compare(cpu, predicate & 3, unordered, aLo, aHi, bLo, bHi) !== predicate >= 4;
  r[to] = holds ? -1 : 0;
  r[to + 1] = holds ? -1 : 0;
}

/** EQ LT LE UNORD. Doubles compare as sign-magnitude integers, but that the zeros are equal. */
function compare(
  cpu: Cpu,
  predicate: number,
  unordered: boolean,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
): boolean {
  if (predicate === 3 || unordered) return predicate === 3 && unordered;
  const flush = (cpu.r[VCPU_MXCSR] & MXCSR_DAZ) !== 0;
  const a = order(flush, aLo, aHi);
  const b = order(flush, bLo, bHi);
  if (predicate === 0) return a === b;
  return predicate === 1 ? a < b : a <= b;
}

function order(flush: boolean, lo: number, hi: number): bigint {
  const magnitude = (BigInt(hi & 0x7fff_ffff) << 32n) | BigInt(lo >>> 0);
  if (flush && isDenormal(lo, hi)) return 0n;
  return hi < 0 ? -magnitude : magnitude;
}

/** int32 index of an XMM register. */
export const xmmWord = (number: number): number => VCPU_XMM + number * 4;
