/** MUL IMUL DIV IDIV (SDM vol 2). RAX is the implied operand, RDX:RAX (AX for bytes) the implied pair. */
import { u64FromHalves } from '../../base/address.ts';
import { VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, VECTOR_DE } from '../interrupts/exceptions.ts';
import { readDestination, readSource, writeRegister } from './exec-operand.ts';
import { CF, OF, setResultFlags, setResultFlags64 } from './flags.ts';
import {
  BYTE,
  DWORD,
  I_BYTE_SHIFTS,
  I_DST,
  I_IMM,
  I_IMM_HIGH,
  I_OPERATION,
  operationSize,
  QWORD,
  WORD,
} from '../decode/instruction.ts';

const RAX = VCPU_GPR;
const RDX = VCPU_GPR + 4;

/** High half of the product of two unsigned 32-bit values; the low one is Math.imul's. */
export function multiplyHigh32(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const middle2 = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(middle2 / 65536)) | 0;
}

/** The four words of a 128-bit product, in a scratch of the CPU: `cpu.wide`. */
export function multiply64(wide: Int32Array, aLo: number, aHi: number, bLo: number, bHi: number): void {
  const p0h = multiplyHigh32(aLo, bLo) >>> 0;
  const p1l = Math.imul(aLo, bHi) >>> 0;
  const p2l = Math.imul(aHi, bLo) >>> 0;
  const p3l = Math.imul(aHi, bHi) >>> 0;
  wide[0] = Math.imul(aLo, bLo);
  const w1 = p0h + p1l + p2l;
  wide[1] = w1;
  const w2 = p3l + (multiplyHigh32(aLo, bHi) >>> 0) + (multiplyHigh32(aHi, bLo) >>> 0) + Math.floor(w1 / 0x1_0000_0000);
  wide[2] = w2;
  wide[3] = multiplyHigh32(aHi, bHi) + Math.floor(w2 / 0x1_0000_0000);
}

function multiplySigned64(wide: Int32Array, aLo: number, aHi: number, bLo: number, bHi: number): void {
  multiply64(wide, aLo, aHi, bLo, bHi);
  if (aHi < 0) subtractHigh(wide, bLo, bHi);
  if (bHi < 0) subtractHigh(wide, aLo, aHi);
}

/** Subtracts from the upper 64 bits: what turns an unsigned product into a signed one. */
function subtractHigh(wide: Int32Array, lo: number, hi: number): void {
  const before = wide[2];
  wide[2] = before - lo;
  wide[3] = wide[3] - hi - (before >>> 0 < lo >>> 0 ? 1 : 0);
}

/** MUL (operation 0) and one-operand IMUL (1). */
export function executeMultiplyWide(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const word = cpu.code[i + I_OPERATION];
  const size = operationSize(word);
  const signed = (word & 0xff) === 1;
  const b = readDestination(cpu, i);
  const bHi = cpu.hi;
  if (cpu.abort !== 0) return;
  let overflow: boolean;
  if (size === QWORD) {
    const { wide } = cpu;
    if (signed) multiplySigned64(wide, r[RAX], r[RAX + 1], b, bHi);
    else multiply64(wide, r[RAX], r[RAX + 1], b, bHi);
    r[RAX] = wide[0];
    r[RAX + 1] = wide[1];
    r[RDX] = wide[2];
    r[RDX + 1] = wide[3];
    const fill = signed ? wide[1] >> 31 : 0;
    overflow = wide[2] !== fill || wide[3] !== fill;
    setResultFlags64(r, wide[0], wide[1], overflow ? CF | OF : 0);
    return;
  }
  if (size === DWORD) {
    const a = r[RAX];
    const lo = Math.imul(a, b);
    let hi = multiplyHigh32(a, b);
    if (signed) hi = (hi - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
    writeRegister(cpu, RAX, 0, DWORD, lo, 0);
    writeRegister(cpu, RDX, 0, DWORD, hi, 0);
    overflow = hi !== (signed ? lo >> 31 : 0);
    setResultFlags(r, lo, overflow ? CF | OF : 0);
    return;
  }
  if (size === WORD) {
    const product = signed ? ((r[RAX] << 16) >> 16) * b : Math.imul(r[RAX] & 0xffff, b & 0xffff);
    writeRegister(cpu, RAX, 0, WORD, product, 0);
    writeRegister(cpu, RDX, 0, WORD, product >> 16, 0);
    const low = (product << 16) >> 16;
    overflow = signed ? product !== low : product >>> 16 !== 0;
    setResultFlags(r, low, overflow ? CF | OF : 0);
    return;
  }
  const product = signed ? ((r[RAX] << 24) >> 24) * b : (r[RAX] & 0xff) * (b & 0xff);
  writeRegister(cpu, RAX, 0, WORD, product, 0);
  const low = (product << 24) >> 24;
  overflow = signed ? product !== low : product >>> 8 !== 0;
  setResultFlags(r, low, overflow ? CF | OF : 0);
}

/** IMUL r, r/m (operation 0) and IMUL r, r/m, imm (1). */
export function executeMultiply(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const b = readSource(cpu, i);
  const bHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const dst = code[i + I_DST];
  const immediate = (word & 0xff) === 1;
  const a = immediate ? code[i + I_IMM] : r[dst];
  if (size === QWORD) {
    const { wide } = cpu;
    multiplySigned64(wide, a, immediate ? code[i + I_IMM_HIGH] : r[dst + 1], b, bHi);
    const lo = wide[0];
    const hi = wide[1];
    const fill = hi >> 31;
    r[dst] = lo;
    r[dst + 1] = hi;
    setResultFlags64(r, lo, hi, wide[2] !== fill || wide[3] !== fill ? CF | OF : 0);
    return;
  }
  if (size === DWORD) {
    const lo = Math.imul(a, b);
    const hi = (multiplyHigh32(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
    r[dst] = lo;
    r[dst + 1] = 0;
    setResultFlags(r, lo, hi !== lo >> 31 ? CF | OF : 0);
    return;
  }
  const product = ((a << 16) >> 16) * b;
  const low = (product << 16) >> 16;
  writeRegister(cpu, dst, code[i + I_BYTE_SHIFTS] & 15, WORD, low, 0);
  setResultFlags(r, low, product !== low ? CF | OF : 0);
}

/** DIV (operation 0) and IDIV (1). The flags are undefined after it; they stay. */
export function executeDivide(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const word = cpu.code[i + I_OPERATION];
  const size = operationSize(word);
  const signed = (word & 0xff) === 1;
  const divisor = readDestination(cpu, i);
  const divisorHi = cpu.hi;
  if (cpu.abort !== 0) return;
  if (size === QWORD) divide64(cpu, signed, divisor, divisorHi);
  else if (size === DWORD) divide32(cpu, signed, divisor);
  else if (size === WORD) {
    const pair = (r[RDX] << 16) | (r[RAX] & 0xffff);
    const by = signed ? divisor : divisor & 0xffff;
    const quotient = by === 0 ? Number.NaN : Math.trunc((signed ? pair : pair >>> 0) / by);
    if (by === 0 || (signed ? quotient !== (quotient << 16) >> 16 : quotient > 0xffff)) {
      raiseException(cpu, VECTOR_DE, false, 0);
      return;
    }
    writeRegister(cpu, RAX, 0, WORD, quotient, 0);
    writeRegister(cpu, RDX, 0, WORD, (signed ? pair : pair >>> 0) % by, 0);
  } else {
    const pair = signed ? (r[RAX] << 16) >> 16 : r[RAX] & 0xffff;
    const by = signed ? divisor : divisor & 0xff;
    const quotient = by === 0 ? Number.NaN : Math.trunc(pair / by);
    if (by === 0 || (signed ? quotient !== (quotient << 24) >> 24 : quotient > 0xff)) {
      raiseException(cpu, VECTOR_DE, false, 0);
      return;
    }
    writeRegister(cpu, RAX, 0, BYTE, quotient, 0);
    writeRegister(cpu, RAX, 8, BYTE, pair % by, 0);
  }
}

function divide32(cpu: Cpu, signed: boolean, divisor: number): void {
  const { r } = cpu;
  const lo = r[RAX];
  const hi = r[RDX];
  if (divisor === 0) {
    raiseException(cpu, VECTOR_DE, false, 0);
    return;
  }
  // A dividend that is a double without rounding needs no more than the division and a multiplication back.
  if (signed ? hi === lo >> 31 : hi === 0) {
    const dividend = signed ? lo : lo >>> 0;
    const by = signed ? divisor : divisor >>> 0;
    const quotient = Math.trunc(dividend / by);
    if (quotient === 0x8000_0000 && signed) {
      raiseException(cpu, VECTOR_DE, false, 0);
      return;
    }
    writeRegister(cpu, RAX, 0, DWORD, quotient | 0, 0);
    writeRegister(cpu, RDX, 0, DWORD, (dividend % by) | 0, 0);
    return;
  }
  const wide = u64FromHalves(lo, hi);
  const dividend = signed ? BigInt.asIntN(64, wide) : wide;
  const by = BigInt(signed ? divisor : divisor >>> 0);
  const quotient = dividend / by;
  if (quotient !== (signed ? BigInt.asIntN(32, quotient) : BigInt.asUintN(32, quotient))) {
    raiseException(cpu, VECTOR_DE, false, 0);
    return;
  }
  writeRegister(cpu, RAX, 0, DWORD, Number(BigInt.asIntN(32, quotient)), 0);
  writeRegister(cpu, RDX, 0, DWORD, Number(BigInt.asIntN(32, dividend % by)), 0);
}

function divide64(cpu: Cpu, signed: boolean, divisorLo: number, divisorHi: number): void {
  const { r } = cpu;
  if ((divisorLo | divisorHi) === 0) {
    raiseException(cpu, VECTOR_DE, false, 0);
    return;
  }
  if ((r[RDX] | r[RDX + 1]) === 0 && r[RAX + 1] >>> 0 < 0x20_0000 && divisorHi >>> 0 < 0x20_0000) {
    // Both are non-negative and below 2^53: exact in doubles, signed or not.
    const dividend = r[RAX + 1] * 0x1_0000_0000 + (r[RAX] >>> 0);
    const by = divisorHi * 0x1_0000_0000 + (divisorLo >>> 0);
    const remainder = dividend % by;
    const quotient = (dividend - remainder) / by;
    r[RAX] = quotient;
    r[RAX + 1] = Math.floor(quotient / 0x1_0000_0000);
    r[RDX] = remainder;
    r[RDX + 1] = Math.floor(remainder / 0x1_0000_0000);
    return;
  }
  const wide = (u64FromHalves(r[RDX], r[RDX + 1]) << 64n) | u64FromHalves(r[RAX], r[RAX + 1]);
  const divisor = u64FromHalves(divisorLo, divisorHi);
  const dividend = signed ? BigInt.asIntN(128, wide) : wide;
  const by = signed ? BigInt.asIntN(64, divisor) : divisor;
  const quotient = dividend / by;
  if (quotient !== (signed ? BigInt.asIntN(64, quotient) : BigInt.asUintN(64, quotient))) {
    raiseException(cpu, VECTOR_DE, false, 0);
    return;
  }
  const remainder = dividend % by;
  r[RAX] = Number(BigInt.asIntN(32, quotient));
  r[RAX + 1] = Number(BigInt.asIntN(32, quotient >> 32n));
  r[RDX] = Number(BigInt.asIntN(32, remainder));
  r[RDX + 1] = Number(BigInt.asIntN(32, remainder >> 32n));
}
