/** MOV MOVZX MOVSX MOVSXD MOVBE LEA XCHG SETcc CMOVcc XLAT CBW … CQO LAHF SAHF, in every form. */
import { VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { offsetAddress, segmentAddress } from './exec-address.ts';
import { swapBytes32 } from './exec-bits.ts';
import {
  loadSized,
  readForWrite,
  readMemory,
  readRegister,
  readSource,
  writeBack,
  writeDestination,
  writeRegister,
} from './exec-operand.ts';
import { AF, CF, condition, materializeFlags, PF, replaceFlags, SF, ZF } from './flags.ts';
import {
  BYTE,
  DWORD,
  EA_16,
  I_BYTE_SHIFTS,
  I_DST,
  I_EA,
  I_OPERATION,
  I_SEGMENT,
  I_SRC,
  KIND_MEMORY,
  operationNumber,
  operationSize,
  QWORD,
  sourceKind,
  WORD,
} from '../decode/instruction.ts';

const RAX = VCPU_GPR;
const RDX = VCPU_GPR + 4;
const RBX = VCPU_GPR + 6;

export function executeMove(cpu: Cpu, i: number): void {
  const lo = readSource(cpu, i);
  if (cpu.abort !== 0) return;
  writeDestination(cpu, i, lo, cpu.hi);
}

/** MOVZX (operation: the source's size), MOVSX and MOVSXD (4 + the source's size). */
export function executeMoveExtend(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  const from = operationNumber(word) & 3;
  const signed = operationNumber(word) >= 4;
  let value =
    sourceKind(word) === KIND_MEMORY
      ? readMemory(cpu, i, from)
      : readRegister(cpu, code[i + I_SRC], code[i + I_BYTE_SHIFTS] >> 4, from);
  if (cpu.abort !== 0) return;
  if (!signed && from < DWORD) value &= from === BYTE ? 0xff : 0xffff;
  writeRegister(cpu, code[i + I_DST], 0, operationSize(word), value, signed ? value >> 31 : 0);
}

export function executeMoveBigEndian(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const lo = readSource(cpu, i);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return;
  if (size === QWORD) writeDestination(cpu, i, swapBytes32(hi), swapBytes32(lo));
  else if (size === DWORD) writeDestination(cpu, i, swapBytes32(lo), 0);
  else writeDestination(cpu, i, swapBytes32(lo) >> 16, 0);
}

export function executeLea(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const lo = offsetAddress(cpu, i);
  writeRegister(cpu, code[i + I_DST], 0, operationSize(code[i + I_OPERATION]), lo, cpu.hi);
}

export function executeExchange(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const size = operationSize(code[i + I_OPERATION]);
  const lo = readForWrite(cpu, i);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return;
  const src = code[i + I_SRC];
  const shift = code[i + I_BYTE_SHIFTS] >> 4;
  const other = readRegister(cpu, src, shift, size);
  writeBack(cpu, i, other, cpu.hi);
  writeRegister(cpu, src, shift, size, lo, hi);
}

/** Operation: the condition. */
export function executeSet(cpu: Cpu, i: number): void {
  writeDestination(cpu, i, condition(cpu.r, operationNumber(cpu.code[i + I_OPERATION])) ? 1 : 0, 0);
}

/** CMOVcc reads its source whether or not it moves, and a 32-bit destination loses its upper half either way. */
export function executeConditionalMove(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const lo = readSource(cpu, i);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return;
  const dst = code[i + I_DST];
  if (condition(r, operationNumber(word))) writeRegister(cpu, dst, 0, size, lo, hi);
  else if (size === DWORD) r[dst + 1] = 0;
}

/** XLAT: AL from [(E/R)BX + AL]; the size in the operation is the address size. */
export function executeTranslate(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const al = r[RAX] & 0xff;
  const size = operationSize(code[i + I_OPERATION]);
  let lo = (r[RBX] + al) | 0;
  let hi = 0;
  if (code[i + I_EA] === EA_16 || size === WORD) lo &= 0xffff;
  else if (size === QWORD) hi = (r[RBX + 1] + (lo >>> 0 < al ? 1 : 0)) | 0;
  lo = segmentAddress(cpu, code[i + I_SEGMENT], lo, hi, 1);
  if (cpu.abort !== 0) return;
  const value = loadSized(cpu, lo, cpu.hi, BYTE);
  if (cpu.abort !== 0) return;
  writeRegister(cpu, RAX, 0, BYTE, value, 0);
}

/** CBW CWDE CDQE: the size in the operation is that of the result. */
export function executeExtendAccumulator(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const value = readRegister(cpu, RAX, 0, size - 1);
  writeRegister(cpu, RAX, 0, size, value, value >> 31);
}

/** CWD CDQ CQO */
export function executeExtendPair(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const { r } = cpu;
  const sign = size === WORD ? (r[RAX] << 16) >> 31 : size === DWORD ? r[RAX] >> 31 : r[RAX + 1] >> 31;
  writeRegister(cpu, RDX, 0, size, sign, sign);
}

export function executeLahf(cpu: Cpu, _i: number): void {
  writeRegister(cpu, RAX, 8, BYTE, (materializeFlags(cpu.r) & (SF | ZF | AF | PF | CF)) | 2, 0);
}

export function executeSahf(cpu: Cpu, _i: number): void {
  replaceFlags(cpu.r, SF | ZF | AF | PF | CF, cpu.r[RAX] >>> 8);
}

/** SALC: AL is all ones with CF, else zero (undocumented, outside 64-bit mode). */
export function executeSalc(cpu: Cpu, _i: number): void {
  writeRegister(cpu, RAX, 0, BYTE, (materializeFlags(cpu.r) & CF) !== 0 ? 0xff : 0, 0);
}

/** NOP, PAUSE, fences, prefetches, hints: one CPU at a time, in order, without caches, has nothing to do for them. */
export function executeNothing(_cpu: Cpu, _i: number): void {}
