/** ROL ROR RCL RCR SHL SHR SAR SHLD SHRD (SDM vol 2, the pages of each). */
import { VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { readForWrite, readRegister, writeBack } from './exec-operand.ts';
import { CF, flagC, OF, setCarryAndOverflow, setResultFlags, setResultFlags64 } from './flags.ts';
import {
  I_BYTE_SHIFTS,
  I_IMM,
  I_OPERATION,
  I_SRC,
  KIND_IMMEDIATE,
  operationNumber,
  operationSize,
  QWORD,
  sourceKind,
} from '../decode/instruction.ts';

/** Operation numbers: the reg field of opcodes C0, D0, D2. */
export const OP_ROL = 0;
export const OP_ROR = 1;
export const OP_RCL = 2;
export const OP_RCR = 3;
export const OP_SHL = 4;
export const OP_SHR = 5;
export const OP_SAR = 7;

const CL = VCPU_GPR + 2;

/** Shifts and rotates by CL, 1 or an immediate. A masked count of zero changes nothing, not even a flag. */
export function executeShift(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const amount = sourceKind(word) === KIND_IMMEDIATE ? code[i + I_IMM] : cpu.r[CL];
  const count = amount & (size === QWORD ? 63 : 31);
  const value = readForWrite(cpu, i);
  const valueHi = cpu.hi;
  if (cpu.abort !== 0) return;
  if (count === 0) {
    // The destination is written all the same: a 32-bit register loses its upper half.
    writeBack(cpu, i, value, valueHi);
    return;
  }
  const op = operationNumber(word);
  if (size === QWORD) {
    const lo = op < OP_SHL ? rotate64(cpu, op, value, valueHi, count) : shift64(cpu, op, value, valueHi, count);
    writeBack(cpu, i, lo, cpu.hi);
  } else {
    const bits = 8 << size;
    writeBack(cpu, i, op < OP_SHL ? rotate(cpu, op, value, bits, count) : shift(cpu, op, value, bits, count), 0);
  }
}

/** `value` sign-extended from `bits`; count 1 … 31. */
function shift(cpu: Cpu, op: number, value: number, bits: number, count: number): number {
  const up = 32 - bits;
  let result: number;
  let carry: number;
  let overflow: number;
  if (op === OP_SHL) {
    // Shifted up to the top of the word, the carry is the last bit pushed out of it.
    const top = value << up;
    carry = count > bits ? 0 : (top >>> (32 - count)) & 1;
    result = ((value << count) << up) >> up;
    if (count >= bits) result = 0;
    overflow = (result >>> 31) ^ carry;
  } else if (op === OP_SHR) {
    const unsigned = (value << up) >>> up;
    carry = (unsigned >>> (count - 1)) & 1;
    result = ((unsigned >>> count) << up) >> up;
    overflow = value >>> 31;
  } else {
    carry = (value >> (count - 1)) & 1;
    result = value >> count;
    overflow = 0;
  }
  setResultFlags(cpu.r, result, (carry !== 0 ? CF : 0) | (overflow !== 0 ? OF : 0));
  return result;
}

/** count 1 … 63; high half of the result in `cpu.hi`. */
function shift64(cpu: Cpu, op: number, valueLo: number, valueHi: number, count: number): number {
  let lo: number;
  let hi: number;
  let carry: number;
  let overflow: number;
  if (op === OP_SHL) {
    if (count < 32) {
      lo = valueLo << count;
      hi = (valueHi << count) | (valueLo >>> (32 - count));
      carry = (valueHi >>> (32 - count)) & 1;
    } else {
      lo = 0;
      hi = valueLo << (count - 32);
      carry = count === 32 ? valueHi & 1 : (valueLo >>> (64 - count)) & 1;
    }
    overflow = (hi >>> 31) ^ carry;
  } else {
    const fill = op === OP_SAR ? valueHi >> 31 : 0;
    if (count < 32) {
      lo = (valueLo >>> count) | (valueHi << (32 - count));
      hi = (valueHi >>> count) | (fill << (32 - count));
      carry = (valueLo >>> (count - 1)) & 1;
    } else {
      lo = count === 32 ? valueHi : (valueHi >>> (count - 32)) | (fill << (64 - count));
      hi = fill;
      carry = count === 32 ? valueLo >>> 31 : (valueHi >>> (count - 33)) & 1;
    }
    overflow = op === OP_SAR ? 0 : valueHi >>> 31;
  }
  setResultFlags64(cpu.r, lo, hi, (carry !== 0 ? CF : 0) | (overflow !== 0 ? OF : 0));
  cpu.hi = hi;
  return lo;
}

/** count 1 … 31, not yet reduced by the operand's width. */
function rotate(cpu: Cpu, op: number, value: number, bits: number, count: number): number {
  const up = 32 - bits;
  const unsigned = (value << up) >>> up;
  let result: number;
  if (op === OP_ROL || op === OP_ROR) {
    const by = count & (bits - 1);
    const left = op === OP_ROL ? by : (bits - by) & (bits - 1);
    result = left === 0 ? unsigned : (unsigned << left) | (unsigned >>> (bits - left));
    result = (result << up) >> up;
    if (op === OP_ROL) setCarryAndOverflow(cpu.r, result & 1, (result >>> 31) ^ (result & 1));
    else setCarryAndOverflow(cpu.r, result >>> 31, (result >>> 31) ^ ((result >>> (bits - 2)) & 1));
    return result;
  }
  // Through the carry: a rotation of bits + 1 bits, one step at a time.
  let carry = flagC(cpu.r) ? 1 : 0;
  const steps = bits === 32 ? count : count % (bits + 1);
  result = value;
  if (op === OP_RCL) {
    for (let step = 0; step < steps; step++) {
      const out = result >>> 31;
      result = (((result << 1) | carry) << up) >> up;
      carry = out;
    }
    setCarryAndOverflow(cpu.r, carry, (result >>> 31) ^ carry);
    return result;
  }
  for (let step = 0; step < steps; step++) {
    const out = result & 1;
    result = (((((result << up) >>> up) >>> 1) | (carry << (bits - 1))) << up) >> up;
    carry = out;
  }
  setCarryAndOverflow(cpu.r, carry, (result >>> 31) ^ ((result >>> (bits - 2)) & 1));
  return result;
}

function rotate64(cpu: Cpu, op: number, valueLo: number, valueHi: number, count: number): number {
  let lo = valueLo;
  let hi = valueHi;
  if (op === OP_ROL || op === OP_ROR) {
    const left = op === OP_ROL ? count : 64 - count;
    if ((left & 32) !== 0) {
      lo = valueHi;
      hi = valueLo;
    }
    const by = left & 31;
    if (by !== 0) {
      const low = lo;
      lo = (low << by) | (hi >>> (32 - by));
      hi = (hi << by) | (low >>> (32 - by));
    }
    if (op === OP_ROL) setCarryAndOverflow(cpu.r, lo & 1, (hi >>> 31) ^ (lo & 1));
    else setCarryAndOverflow(cpu.r, hi >>> 31, (hi >>> 31) ^ ((hi << 1) >>> 31));
    cpu.hi = hi;
    return lo;
  }
  let carry = flagC(cpu.r) ? 1 : 0;
  for (let step = 0; step < count; step++) {
    if (op === OP_RCL) {
      const out = hi >>> 31;
      hi = (hi << 1) | (lo >>> 31);
      lo = (lo << 1) | carry;
      carry = out;
    } else {
      const out = lo & 1;
      lo = (lo >>> 1) | (hi << 31);
      hi = (hi >>> 1) | (carry << 31);
      carry = out;
    }
  }
  setCarryAndOverflow(cpu.r, carry, op === OP_RCL ? (hi >>> 31) ^ carry : (hi >>> 31) ^ ((hi << 1) >>> 31));
  cpu.hi = hi;
  return lo;
}

/** SHLD (operation 0) and SHRD (1): the bits that come in are those of I_SRC. */
export function executeDoubleShift(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const amount = sourceKind(word) === KIND_IMMEDIATE ? code[i + I_IMM] : r[CL];
  const count = amount & (size === QWORD ? 63 : 31);
  const value = readForWrite(cpu, i);
  const valueHi = cpu.hi;
  if (cpu.abort !== 0) return;
  if (count === 0) {
    writeBack(cpu, i, value, valueHi);
    return;
  }
  const source = readRegister(cpu, code[i + I_SRC], code[i + I_BYTE_SHIFTS] >> 4, size);
  const sourceHi = cpu.hi;
  const left = operationNumber(word) === 0;
  if (size === QWORD) {
    doubleShift64(cpu, i, left, value, valueHi, source, sourceHi, count);
    return;
  }
  let result: number;
  let carry: number;
  if (size === 1) {
    // A count beyond 16 is undefined; the processor shifts the source in a second time and leaves CF clear.
    const d = value & 0xffff;
    const s = source & 0xffff;
    const by = count & 15;
    if (count > 16) {
      carry = 0;
      result = left ? (s << by) | (s >>> (16 - by)) : (s >>> by) | (s << (16 - by));
    } else if (left) {
      carry = (d >>> (16 - count)) & 1;
      result = (d << count) | (s >>> (16 - count));
    } else {
      carry = (d >>> (count - 1)) & 1;
      result = (d >>> count) | (s << (16 - count));
    }
    result = (result << 16) >> 16;
  } else if (left) {
    carry = (value >>> (32 - count)) & 1;
    result = (value << count) | (source >>> (32 - count));
  } else {
    carry = (value >>> (count - 1)) & 1;
    result = (value >>> count) | (source << (32 - count));
  }
  const changed = (result ^ value) < 0;
  setResultFlags(r, result, (carry !== 0 ? CF : 0) | (changed ? OF : 0));
  writeBack(cpu, i, result, 0);
}

function doubleShift64(
  cpu: Cpu,
  i: number,
  left: boolean,
  valueLo: number,
  valueHi: number,
  sourceLo: number,
  sourceHi: number,
  count: number,
): void {
  const by = count & 31;
  // Four words, the destination's two first; `far` says whether whole words move too.
  const far = count >= 32;
  let lo: number;
  let hi: number;
  let carry: number;
  if (left) {
    const w3 = far ? valueLo : valueHi;
    const w2 = far ? sourceHi : valueLo;
    const w1 = far ? sourceLo : sourceHi;
    hi = by === 0 ? w3 : (w3 << by) | (w2 >>> (32 - by));
    lo = by === 0 ? w2 : (w2 << by) | (w1 >>> (32 - by));
    carry = by === 0 ? valueHi & 1 : (w3 >>> (32 - by)) & 1;
  } else {
    const w0 = far ? valueHi : valueLo;
    const w1 = far ? sourceLo : valueHi;
    const w2 = far ? sourceHi : sourceLo;
    lo = by === 0 ? w0 : (w0 >>> by) | (w1 << (32 - by));
    hi = by === 0 ? w1 : (w1 >>> by) | (w2 << (32 - by));
    carry = by === 0 ? valueLo >>> 31 : (w0 >>> (by - 1)) & 1;
  }
  const changed = (hi ^ valueHi) < 0;
  setResultFlags64(cpu.r, lo, hi, (carry !== 0 ? CF : 0) | (changed ? OF : 0));
  writeBack(cpu, i, lo, hi);
}
