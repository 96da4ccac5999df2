/**
 * MOVS CMPS STOS LODS SCAS, INS OUTS, with and without REP (SDM vol 2, "REP/REPE/REPZ/REPNE/REPNZ"). Registers are brought
 * up to date after every element, so a fault in the middle leaves an instruction that can be taken up again.
 */
import { ES, VCPU_GPR, VCPU_RFLAGS, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { segmentAddress, WRITE } from './exec-address.ts';
import { arithmetic, arithmetic64, OP_CMP } from './exec-arithmetic.ts';
import { loadSized, readRegister, storeSized, writeRegister } from './exec-operand.ts';
import { ABORT_DEBUG } from '../system/exits.ts';
import { DF, flagZ } from './flags.ts';
import {
  DWORD,
  I_LENGTH,
  I_OPERATION,
  I_SEGMENT,
  operationNumber,
  operationSize,
  QWORD,
} from '../decode/instruction.ts';
import { probeWriteAccess } from '../memory/memory-access.ts';
import { IO_REP, IO_STRING, readPort, writePort } from '../system/port-exits.ts';

export const OP_MOVS = 0;
export const OP_CMPS = 1;
export const OP_STOS = 2;
export const OP_LODS = 3;
export const OP_SCAS = 4;
export const OP_INS = 5;
export const OP_OUTS = 6;

/** Repetition in bits 11–12 of the operation: none, REP or REPE, REPNE. */
export const REPEAT_SHIFT = 11;
export const REPEAT_NONE = 0;
export const REPEAT_EQUAL = 1;
export const REPEAT_NOT_EQUAL = 2;
/** Address size in bits 13–14. */
export const ADDRESS_SIZE_SHIFT = 13;

/**
 * Wherever the counter is a multiple of this, the instruction counts as one and starts again at the same RIP: interrupts and
 * pauses get in between, as they do on the processor after any element. The counter decides, not how many were done: one that
 * was interrupted in the middle by a fault or a debugger counts no other way than one that was not.
 */
const BATCH = 4096;
/** KVM's emulator re-enters the guest there (x86_emulate_insn, v3.11: RCX & 0x3ff). */
const EMULATOR_BATCH = 1024;

const RAX = VCPU_GPR;
const RCX = VCPU_GPR + 2;
const RDX = VCPU_GPR + 4;
const RSI = VCPU_GPR + 12;
const RDI = VCPU_GPR + 14;

function advance(cpu: Cpu, register: number, delta: number, addressSize: number): void {
  const { r } = cpu;
  const lo = r[register];
  const sum = (lo + delta) | 0;
  if (addressSize === QWORD) {
    r[register] = sum;
    r[register + 1] = r[register + 1] + (delta >> 31) + (sum >>> 0 < lo >>> 0 ? 1 : 0);
  } else if (addressSize === DWORD) {
    r[register] = sum;
    r[register + 1] = 0;
  } else r[register] = (lo & ~0xffff) | (sum & 0xffff);
}

function pointer(cpu: Cpu, segment: number, register: number, addressSize: number, access: number): number {
  const { r } = cpu;
  const lo = r[register];
  if (addressSize === QWORD) return segmentAddress(cpu, segment, lo, r[register + 1], access);
  return segmentAddress(cpu, segment, addressSize === DWORD ? lo : lo & 0xffff, 0, access);
}

function counterIsZero(cpu: Cpu, addressSize: number): boolean {
  const { r } = cpu;
  if (addressSize === QWORD) return (r[RCX] | r[RCX + 1]) === 0;
  return addressSize === DWORD ? r[RCX] === 0 : (r[RCX] & 0xffff) === 0;
}

export function executeString(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const op = operationNumber(word);
  const size = operationSize(word);
  const repeat = (word >> REPEAT_SHIFT) & 3;
  const addressSize = (word >> ADDRESS_SIZE_SHIFT) & 3;
  const segment = code[i + I_SEGMENT];
  const step = (r[VCPU_RFLAGS] & DF) !== 0 ? -(1 << size) : 1 << size;
  if (repeat === REPEAT_NONE) {
    element(cpu, op, size, addressSize, segment, step, IO_STRING);
    return;
  }
  const batch = cpu.emulator === undefined ? BATCH : EMULATOR_BATCH;
  while (!counterIsZero(cpu, addressSize)) {
    element(cpu, op, size, addressSize, segment, step, IO_STRING | IO_REP);
    if (cpu.abort !== 0) return;
    advance(cpu, RCX, -1, addressSize);
    if ((op === OP_CMPS || op === OP_SCAS) && flagZ(r) !== (repeat === REPEAT_EQUAL)) return;
    if ((r[RCX] & (batch - 1)) === 0) {
      if (!counterIsZero(cpu, addressSize)) repeatLater(cpu, i);
      return;
    }
    if (cpu.attention && cpu.watch !== undefined && !counterIsZero(cpu, addressSize)) {
      // A debugger heard of this element: it finds RIP at the instruction, which has not retired, and the rest to do.
      cpu.abort = ABORT_DEBUG;
      return;
    }
  }
}

/** Not finished: the same instruction comes next. */
function repeatLater(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const length = cpu.code[i + I_LENGTH];
  const lo = r[VCPU_RIP];
  r[VCPU_RIP] = lo - length;
  if (lo >>> 0 < length) r[VCPU_RIP + 1]--;
  cpu.successor = 0;
}

/** @param form of INS and OUTS: IO_* of port-exits.ts */
function element(
  cpu: Cpu,
  op: number,
  size: number,
  addressSize: number,
  segment: number,
  step: number,
  form: number,
): void {
  const { r } = cpu;
  const bytes = 1 << size;
  if (op === OP_INS || op === OP_OUTS) {
    portElement(cpu, op, size, addressSize, segment, step, form);
    return;
  }
  let lo = r[RAX];
  let hi = r[RAX + 1];
  if (op === OP_MOVS || op === OP_CMPS || op === OP_LODS) {
    const from = pointer(cpu, segment, RSI, addressSize, bytes);
    if (cpu.abort !== 0) return;
    lo = loadSized(cpu, from, cpu.hi, size);
    hi = cpu.hi;
    if (cpu.abort !== 0) return;
  } else if (op === OP_SCAS) {
    lo = readRegister(cpu, RAX, 0, size);
    hi = r[RAX + 1];
  }
  if (op === OP_LODS) writeRegister(cpu, RAX, 0, size, lo, hi);
  else {
    const store = op === OP_MOVS || op === OP_STOS;
    const to = pointer(cpu, ES, RDI, addressSize, store ? bytes | WRITE : bytes);
    if (cpu.abort !== 0) return;
    if (store) storeSized(cpu, to, cpu.hi, size, lo, hi);
    else {
      const other = loadSized(cpu, to, cpu.hi, size);
      if (cpu.abort !== 0) return;
      if (size === QWORD) arithmetic64(cpu, OP_CMP, lo, hi, other, cpu.hi);
      else arithmetic(cpu, OP_CMP, size, lo, other);
    }
    if (cpu.abort !== 0) return;
    advance(cpu, RDI, step, addressSize);
  }
  if (op === OP_MOVS || op === OP_CMPS || op === OP_LODS) advance(cpu, RSI, step, addressSize);
}

/** INS and OUTS: the memory side is tried before the port is touched, so that a fault loses no datum. */
function portElement(
  cpu: Cpu,
  op: number,
  size: number,
  addressSize: number,
  segment: number,
  step: number,
  form: number,
): void {
  const bytes = 1 << size;
  const port = cpu.r[RDX] & 0xffff;
  if (op === OP_INS) {
    const to = pointer(cpu, ES, RDI, addressSize, bytes | WRITE);
    const toHi = cpu.hi;
    if (cpu.abort !== 0) return;
    probeWriteAccess(cpu, to, toHi, bytes);
    if (cpu.abort !== 0) return;
    const value = readPort(cpu, port, bytes, form);
    if (cpu.abort !== 0) return;
    storeSized(cpu, to, toHi, size, value, 0);
    if (cpu.abort !== 0) return;
    advance(cpu, RDI, step, addressSize);
    return;
  }
  const from = pointer(cpu, segment, RSI, addressSize, bytes);
  if (cpu.abort !== 0) return;
  const value = loadSized(cpu, from, cpu.hi, size);
  if (cpu.abort !== 0) return;
  writePort(cpu, port, bytes, value, form);
  if (cpu.abort !== 0) return;
  advance(cpu, RSI, step, addressSize);
}
