/** ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NEG NOT in every size and form; the hot forms are in exec-hot-*.ts. */
import { VCPU_FLAGS_OP, VCPU_FLAGS_RESULT, VCPU_FLAGS_SRC1, VCPU_FLAGS_SRC2 } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { readDestination, readForWrite, readSource, writeBack } from './exec-operand.ts';
import {
  AF,
  CF,
  FLAGS_ADD,
  FLAGS_ADD_64,
  FLAGS_SBB,
  FLAGS_SBB_64,
  FLAGS_SUB,
  FLAGS_SUB_64,
  flagC,
  OF,
  setLogicFlags,
  setLogicFlags64,
  setResultFlags,
  setResultFlags64,
} from './flags.ts';
import { I_OPERATION, operationNumber, operationSize, QWORD } from '../decode/instruction.ts';

/** Operation numbers: the eight of the opcode map's first rows, then TEST. */
export const OP_ADD = 0;
export const OP_OR = 1;
export const OP_ADC = 2;
export const OP_SBB = 3;
export const OP_AND = 4;
export const OP_SUB = 5;
export const OP_XOR = 6;
export const OP_CMP = 7;
export const OP_TEST = 8;

type Words = Cpu['r'];

function setFlags(r: Words, op: number, s1: number, s2: number, result: number): void {
  r[VCPU_FLAGS_OP] = op;
  r[VCPU_FLAGS_RESULT] = result;
  r[VCPU_FLAGS_SRC1] = s1;
  r[VCPU_FLAGS_SRC2] = s2;
}

/** Operands and result of 8, 16 or 32 bits, sign-extended; `size` 0, 1, 2. */
export function arithmetic(cpu: Cpu, op: number, size: number, a: number, b: number): number {
  const { r } = cpu;
  const shift = size === 0 ? 24 : size === 1 ? 16 : 0;
  let result: number;
  switch (op) {
    case OP_ADD:
      result = ((a + b) << shift) >> shift;
      setFlags(r, FLAGS_ADD, a, b, result);
      return result;
    case OP_ADC:
      result = ((a + b + (flagC(r) ? 1 : 0)) << shift) >> shift;
      setFlags(r, FLAGS_ADD, a, b, result);
      return result;
    case OP_SBB:
      result = ((a - b - (flagC(r) ? 1 : 0)) << shift) >> shift;
      setFlags(r, FLAGS_SBB, a, b, result);
      return result;
    case OP_SUB:
    case OP_CMP:
      result = ((a - b) << shift) >> shift;
      setFlags(r, FLAGS_SUB, a, b, result);
      return result;
    case OP_OR:
      result = a | b;
      break;
    case OP_XOR:
      result = a ^ b;
      break;
    default:
      result = a & b;
  }
  setLogicFlags(r, result);
  return result;
}

/** The same on halves; the high half of the result is left in `cpu.hi`. */
export function arithmetic64(cpu: Cpu, op: number, aLo: number, aHi: number, bLo: number, bHi: number): number {
  const { r } = cpu;
  let lo: number;
  let hi: number;
  switch (op) {
    case OP_ADD:
    case OP_ADC: {
      const carry = op === OP_ADC && flagC(r) ? 1 : 0;
      lo = (aLo + bLo + carry) | 0;
      const carryLow = ((aLo & bLo) | ((aLo | bLo) & ~lo)) >>> 31;
      hi = (aHi + bHi + carryLow) | 0;
      r[VCPU_FLAGS_OP] = FLAGS_ADD_64;
      break;
    }
    case OP_SBB:
    case OP_SUB:
    case OP_CMP: {
      const borrow = op === OP_SBB && flagC(r) ? 1 : 0;
      lo = (aLo - bLo - borrow) | 0;
      const borrowLow = ((~aLo & bLo) | ((~aLo | bLo) & lo)) >>> 31;
      hi = (aHi - bHi - borrowLow) | 0;
      r[VCPU_FLAGS_OP] = op === OP_SBB ? FLAGS_SBB_64 : FLAGS_SUB_64;
      break;
    }
    case OP_OR:
      lo = aLo | bLo;
      hi = aHi | bHi;
      setLogicFlags64(r, lo, hi);
      cpu.hi = hi;
      return lo;
    case OP_XOR:
      lo = aLo ^ bLo;
      hi = aHi ^ bHi;
      setLogicFlags64(r, lo, hi);
      cpu.hi = hi;
      return lo;
    default:
      lo = aLo & bLo;
      hi = aHi & bHi;
      setLogicFlags64(r, lo, hi);
      cpu.hi = hi;
      return lo;
  }
  r[VCPU_FLAGS_RESULT] = lo;
  r[VCPU_FLAGS_RESULT + 1] = hi;
  r[VCPU_FLAGS_SRC1] = aLo;
  r[VCPU_FLAGS_SRC1 + 1] = aHi;
  r[VCPU_FLAGS_SRC2] = bLo;
  r[VCPU_FLAGS_SRC2 + 1] = bHi;
  cpu.hi = hi;
  return lo;
}

/** ADD OR ADC SBB AND SUB XOR. */
export function executeArithmetic(cpu: Cpu, i: number): void {
  const word = cpu.code[i + I_OPERATION];
  const b = readSource(cpu, i);
  const bHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const a = readForWrite(cpu, i);
  const aHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const size = operationSize(word);
  if (size === QWORD) {
    const lo = arithmetic64(cpu, operationNumber(word), a, aHi, b, bHi);
    writeBack(cpu, i, lo, cpu.hi);
  } else writeBack(cpu, i, arithmetic(cpu, operationNumber(word), size, a, b), 0);
}

/** CMP TEST. */
export function executeCompare(cpu: Cpu, i: number): void {
  const word = cpu.code[i + I_OPERATION];
  const b = readSource(cpu, i);
  const bHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const a = readDestination(cpu, i);
  const aHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const size = operationSize(word);
  if (size === QWORD) arithmetic64(cpu, operationNumber(word), a, aHi, b, bHi);
  else arithmetic(cpu, operationNumber(word), size, a, b);
}

/** INC (operation 0) and DEC (1): CF stays. */
export function executeIncrement(cpu: Cpu, i: number): void {
  const word = cpu.code[i + I_OPERATION];
  const { r } = cpu;
  const a = readForWrite(cpu, i);
  const aHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const size = operationSize(word);
  const step = operationNumber(word) === 0 ? 1 : -1;
  const carry = flagC(r) ? CF : 0;
  if (size === QWORD) {
    const lo = (a + step) | 0;
    const hi = (aHi + (step === 1 ? (lo === 0 ? 1 : 0) : lo === -1 ? -1 : 0)) | 0;
    const overflow = step === 1 ? ~aHi & hi : aHi & ~hi;
    setResultFlags64(r, lo, hi, carry | ((a ^ lo ^ 1) & AF) | (overflow < 0 ? OF : 0));
    writeBack(cpu, i, lo, hi);
    return;
  }
  const shift = size === 0 ? 24 : size === 1 ? 16 : 0;
  const result = ((a + step) << shift) >> shift;
  const overflow = step === 1 ? ~a & result : a & ~result;
  setResultFlags(r, result, carry | ((a ^ result ^ 1) & AF) | (overflow < 0 ? OF : 0));
  writeBack(cpu, i, result, 0);
}

export function executeNegate(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const a = readForWrite(cpu, i);
  const aHi = cpu.hi;
  if (cpu.abort !== 0) return;
  if (size === QWORD) {
    const lo = arithmetic64(cpu, OP_SUB, 0, 0, a, aHi);
    writeBack(cpu, i, lo, cpu.hi);
  } else writeBack(cpu, i, arithmetic(cpu, OP_SUB, size, 0, a), 0);
}

export function executeNot(cpu: Cpu, i: number): void {
  const a = readForWrite(cpu, i);
  const aHi = cpu.hi;
  if (cpu.abort !== 0) return;
  writeBack(cpu, i, ~a, ~aHi);
}
