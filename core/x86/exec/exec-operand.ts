/**
 * Reading and writing the operands of handlers that serve every size and operand kind. Values of 8, 16 and 32 bits travel
 * sign-extended in one int32; of 64 bits the low half is returned and the high half left in `cpu.hi`.
 */
import type { Cpu } from '../cpu.ts';
import { address, WRITE } from './exec-address.ts';
import {
  BYTE,
  destinationIsMemory,
  DWORD,
  I_BYTE_SHIFTS,
  I_DST,
  I_IMM,
  I_IMM_HIGH,
  I_OPERATION,
  I_SRC,
  KIND_MEMORY,
  KIND_REGISTER,
  operationSize,
  sourceKind,
  WORD,
} from '../decode/instruction.ts';
import {
  load16,
  load32,
  load64,
  load8,
  probeWriteAccess,
  store16,
  store32,
  store64,
  store8,
} from '../memory/memory-access.ts';

export function readRegister(cpu: Cpu, register: number, byteShift: number, size: number): number {
  const { r } = cpu;
  switch (size) {
    case BYTE:
      return (r[register] << (24 - byteShift)) >> 24;
    case WORD:
      return (r[register] << 16) >> 16;
    case DWORD:
      return r[register];
    default:
      cpu.hi = r[register + 1];
      return r[register];
  }
}

/** 32-bit results clear the upper half (SDM vol 1, "General-Purpose Registers in 64-Bit Mode"). */
export function writeRegister(
  cpu: Cpu,
  register: number,
  byteShift: number,
  size: number,
  lo: number,
  hi: number,
): void {
  const { r } = cpu;
  switch (size) {
    case BYTE:
      r[register] = (r[register] & ~(0xff << byteShift)) | ((lo & 0xff) << byteShift);
      return;
    case WORD:
      r[register] = (r[register] & ~0xffff) | (lo & 0xffff);
      return;
    case DWORD:
      r[register] = lo;
      r[register + 1] = 0;
      return;
    default:
      r[register] = lo;
      r[register + 1] = hi;
  }
}

export function loadSized(cpu: Cpu, lo: number, hi: number, size: number): number {
  switch (size) {
    case BYTE:
      return (load8(cpu, lo, hi) << 24) >> 24;
    case WORD:
      return (load16(cpu, lo, hi) << 16) >> 16;
    case DWORD:
      return load32(cpu, lo, hi);
    default:
      return load64(cpu, lo, hi);
  }
}

export function storeSized(cpu: Cpu, lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
  switch (size) {
    case BYTE:
      store8(cpu, lo, hi, valueLo & 0xff);
      return;
    case WORD:
      store16(cpu, lo, hi, valueLo & 0xffff);
      return;
    case DWORD:
      store32(cpu, lo, hi, valueLo);
      return;
    default:
      store64(cpu, lo, hi, valueLo, valueHi);
  }
}

export function readMemory(cpu: Cpu, i: number, size: number): number {
  const lo = address(cpu, i, 1 << size);
  if (cpu.abort !== 0) return 0;
  return loadSized(cpu, lo, cpu.hi, size);
}

export function writeMemory(cpu: Cpu, i: number, size: number, valueLo: number, valueHi: number): void {
  const lo = address(cpu, i, (1 << size) | WRITE);
  if (cpu.abort !== 0) return;
  storeSized(cpu, lo, cpu.hi, size, valueLo, valueHi);
}

/**
 * Reads a memory destination and makes sure that it can be written, so that the store after it cannot fault and nothing
 * has to be undone. A fault is one of a write, as on the processor. Leaves the address in `cpu.memLo`, `cpu.memHi`.
 */
export function readMemoryForWrite(cpu: Cpu, i: number, size: number): number {
  const lo = address(cpu, i, (1 << size) | WRITE);
  if (cpu.abort !== 0) return 0;
  const hi = cpu.hi;
  cpu.memLo = lo;
  cpu.memHi = hi;
  probeWriteAccess(cpu, lo, hi, 1 << size);
  if (cpu.abort !== 0) return 0;
  return loadSized(cpu, lo, hi, size);
}

/** The source operand: register I_SRC, memory, or the immediate. */
export function readSource(cpu: Cpu, i: number): number {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  const kind = sourceKind(word);
  if (kind === KIND_REGISTER) {
    return readRegister(cpu, code[i + I_SRC], code[i + I_BYTE_SHIFTS] >> 4, operationSize(word));
  }
  if (kind === KIND_MEMORY) return readMemory(cpu, i, operationSize(word));
  cpu.hi = code[i + I_IMM_HIGH];
  return code[i + I_IMM];
}

/** The destination operand, to be read only. */
export function readDestination(cpu: Cpu, i: number): number {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  if (destinationIsMemory(word)) return readMemory(cpu, i, operationSize(word));
  return readRegister(cpu, code[i + I_DST], code[i + I_BYTE_SHIFTS] & 15, operationSize(word));
}

/** The destination operand of a read-modify-write. */
export function readForWrite(cpu: Cpu, i: number): number {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  if (destinationIsMemory(word)) return readMemoryForWrite(cpu, i, operationSize(word));
  return readRegister(cpu, code[i + I_DST], code[i + I_BYTE_SHIFTS] & 15, operationSize(word));
}

/** Stores the result of a read-modify-write that {@link readForWrite} began. */
export function writeBack(cpu: Cpu, i: number, lo: number, hi: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  if (destinationIsMemory(word)) {
    storeSized(cpu, cpu.memLo, cpu.memHi, operationSize(word), lo, hi);
    return;
  }
  writeRegister(cpu, code[i + I_DST], code[i + I_BYTE_SHIFTS] & 15, operationSize(word), lo, hi);
}

/** Stores into the destination without having read it. */
export function writeDestination(cpu: Cpu, i: number, lo: number, hi: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  if (destinationIsMemory(word)) {
    writeMemory(cpu, i, operationSize(word), lo, hi);
    return;
  }
  writeRegister(cpu, code[i + I_DST], code[i + I_BYTE_SHIFTS] & 15, operationSize(word), lo, hi);
}
