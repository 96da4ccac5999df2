/** BT BTS BTR BTC BSF BSR LZCNT TZCNT POPCNT CRC32 BSWAP (SDM vol 2). */
import type { Cpu } from '../cpu.ts';
import { offsetAddress, segmentAddress, WRITE } from './exec-address.ts';
import { loadSized, readRegister, readSource, storeSized, writeRegister } from './exec-operand.ts';
import { AF, CF, OF, PF, replaceFlags, SF, ZF } from './flags.ts';
import {
  destinationIsMemory,
  DWORD,
  EA_16,
  EA_32,
  EA_64_ADDRESS_32,
  I_BYTE_SHIFTS,
  I_DST,
  I_EA,
  I_IMM,
  I_OPERATION,
  I_SEGMENT,
  I_SRC,
  KIND_IMMEDIATE,
  operationNumber,
  operationSize,
  QWORD,
  sourceKind,
  WORD,
} from '../decode/instruction.ts';
import { probeWriteAccess } from '../memory/memory-access.ts';

export const OP_BT = 0;
export const OP_BTS = 1;
export const OP_BTR = 2;
export const OP_BTC = 3;

/** BT and its kin. A register bit offset on memory is signed and reaches beyond the operand (SDM vol 1, "Bit String"). */
export function executeBitTest(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const op = operationNumber(word);
  const immediate = sourceKind(word) === KIND_IMMEDIATE;
  const source = immediate ? code[i + I_IMM] : readRegister(cpu, code[i + I_SRC], 0, size);
  const bit = source & ((8 << size) - 1);
  const memory = destinationIsMemory(word);
  let lo = 0;
  let hi = 0;
  let value: number;
  if (memory) {
    const bytes = 1 << size;
    const access = op === OP_BT ? bytes : bytes | WRITE;
    lo = immediate
      ? segmentAddress(cpu, code[i + I_SEGMENT], offsetAddress(cpu, i), cpu.hi, access)
      : bitStringAddress(cpu, i, access);
    if (cpu.abort !== 0) return;
    hi = cpu.hi;
    if (op !== OP_BT) {
      probeWriteAccess(cpu, lo, hi, bytes);
      if (cpu.abort !== 0) return;
    }
    value = loadSized(cpu, lo, hi, size);
    if (cpu.abort !== 0) return;
  } else value = readRegister(cpu, code[i + I_DST], 0, size);
  let valueHi = cpu.hi;
  const upper = bit >= 32;
  const mask = 1 << (bit & 31);
  replaceFlags(r, CF, ((upper ? valueHi : value) & mask) !== 0 ? CF : 0);
  if (op === OP_BT) return;
  if (upper) valueHi = changeBit(op, valueHi, mask);
  else value = changeBit(op, value, mask);
  if (memory) storeSized(cpu, lo, hi, size, value, valueHi);
  else writeRegister(cpu, code[i + I_DST], 0, size, value, valueHi);
}

/** Linear address of the operand that a register bit offset leads to: offset >> log2(bits) operands away. */
export function bitStringAddress(cpu: Cpu, i: number, access: number): number {
  const { code } = cpu;
  const size = operationSize(code[i + I_OPERATION]);
  const source = readRegister(cpu, code[i + I_SRC], 0, size);
  const sourceHi = size === QWORD ? cpu.hi : source >> 31;
  const shift = 3 + size;
  const units = (source >>> shift) | (sourceHi << (32 - shift));
  const moveLo = units << size;
  const moveHi = ((sourceHi >> shift) << size) | (units >>> (32 - size));
  let lo = (offsetAddress(cpu, i) + moveLo) | 0;
  let hi = (cpu.hi + (size === QWORD ? moveHi : source >> 31) + (lo >>> 0 < moveLo >>> 0 ? 1 : 0)) | 0;
  const kind = code[i + I_EA];
  if (kind === EA_32 || kind === EA_64_ADDRESS_32) hi = 0;
  else if (kind === EA_16) {
    hi = 0;
    lo &= 0xffff;
  }
  return segmentAddress(cpu, code[i + I_SEGMENT], lo, hi, access);
}

const changeBit = (op: number, value: number, mask: number): number =>
  op === OP_BTS ? value | mask : op === OP_BTR ? value & ~mask : value ^ mask;

export const OP_BSF = 0;
export const OP_BSR = 1;
export const OP_TZCNT = 2;
export const OP_LZCNT = 3;
export const OP_POPCNT = 4;

const trailingZeros32 = (value: number): number => 31 - Math.clz32(value & -value);

export function countOnes32(value: number): number {
  let v = value - ((value >>> 1) & 0x5555_5555);
  v = (v & 0x3333_3333) + ((v >>> 2) & 0x3333_3333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

export function executeBitScan(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const op = operationNumber(word);
  const source = readSource(cpu, i);
  const hi = size === QWORD ? cpu.hi : 0;
  if (cpu.abort !== 0) return;
  const lo = size === WORD ? source & 0xffff : source;
  const bits = 8 << size;
  const zero = (lo | hi) === 0;
  let result: number;
  if (op === OP_POPCNT) {
    result = countOnes32(lo) + countOnes32(hi);
    replaceFlags(r, CF | PF | AF | ZF | SF | OF, zero ? ZF : 0);
  } else if (zero) {
    if (op < OP_TZCNT) {
      // The destination stays as it was, as processors do though the manual calls it undefined.
      replaceFlags(r, ZF, ZF);
      return;
    }
    result = bits;
    replaceFlags(r, CF | ZF, CF);
  } else {
    if (op === OP_BSF || op === OP_TZCNT) result = lo !== 0 ? trailingZeros32(lo) : 32 + trailingZeros32(hi);
    else {
      const leading = size === QWORD ? (hi !== 0 ? Math.clz32(hi) : 32 + Math.clz32(lo)) : Math.clz32(lo) - (32 - bits);
      result = op === OP_BSR ? bits - 1 - leading : leading;
    }
    if (op < OP_TZCNT) replaceFlags(r, ZF, 0);
    else replaceFlags(r, CF | ZF, result === 0 ? ZF : 0);
  }
  writeRegister(cpu, code[i + I_DST], code[i + I_BYTE_SHIFTS] & 15, size, result, 0);
}

/** CRC-32C (polynomial 11EDC6F41H, reflected) over 1, 2, 4 or 8 bytes; the destination is 32 bits, zero-extended. */
export function executeCrc32(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const size = operationSize(code[i + I_OPERATION]);
  const lo = readSource(cpu, i);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return;
  const dst = code[i + I_DST];
  let crc = r[dst];
  const bytes = 1 << size;
  for (let n = 0; n < bytes; n++) {
    crc ^= ((n < 4 ? lo : hi) >>> ((n & 3) * 8)) & 0xff;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f6_3b78 & -(crc & 1));
  }
  r[dst] = crc;
  r[dst + 1] = 0;
}

export const swapBytes32 = (value: number): number =>
  (value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24);

/** BSWAP; of a 16-bit register it is undefined and gives zero, as processors do. */
export function executeByteSwap(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const dst = code[i + I_DST];
  const size = operationSize(code[i + I_OPERATION]);
  const lo = r[dst];
  if (size === QWORD) {
    r[dst] = swapBytes32(r[dst + 1]);
    r[dst + 1] = swapBytes32(lo);
  } else if (size === DWORD) {
    r[dst] = swapBytes32(lo);
    r[dst + 1] = 0;
  } else r[dst] = lo & ~0xffff;
}
