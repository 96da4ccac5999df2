/** PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE, and the stack for CALL and RET. */
import {
  SEG_ATTRIBUTES,
  SEGMENT_WORDS,
  SS,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_FLAGS_OP,
  VCPU_GPR,
  VCPU_RFLAGS,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { turnIntoStackFault } from '../interrupts/exceptions.ts';
import { segmentAddress, WRITE } from './exec-address.ts';
import { loadSized, readSource, storeSized, writeMemory, writeRegister } from './exec-operand.ts';
import { FLAGS_EAGER, IF, materializeFlags } from './flags.ts';
import {
  I_BYTE_SHIFTS,
  I_DST,
  I_IMM,
  I_OPERATION,
  destinationIsMemory,
  operationSize,
  QWORD,
  WORD,
} from '../decode/instruction.ts';
import { probeWriteAccess } from '../memory/memory-access.ts';

export const RSP = VCPU_GPR + 8;
const RBP = VCPU_GPR + 10;
const SS_ATTRIBUTES = VCPU_SEGMENTS + SS * SEGMENT_WORDS + SEG_ATTRIBUTES;
const ATTRIBUTE_BIG = 0x4000;

/** Width of the stack pointer: 8, 4 or 2 bytes. */
export const stackBytes = (cpu: Cpu): number =>
  cpu.r[VCPU_CODE_BITS] === 64 ? 8 : (cpu.r[SS_ATTRIBUTES] & ATTRIBUTE_BIG) !== 0 ? 4 : 2;

/** Adds to a stack or frame pointer of the width in force. */
function movePointer(cpu: Cpu, register: number, delta: number): void {
  const { r } = cpu;
  const lo = r[register];
  const sum = (lo + delta) | 0;
  if (r[VCPU_CODE_BITS] === 64) {
    r[register] = sum;
    r[register + 1] = r[register + 1] + (delta >> 31) + (sum >>> 0 < lo >>> 0 ? 1 : 0);
  } else if (stackBytes(cpu) === 4) r[register] = sum;
  else r[register] = (lo & ~0xffff) | (sum & 0xffff);
}

export const adjustStack = (cpu: Cpu, delta: number): void => movePointer(cpu, RSP, delta);

/** Linear address of pointer + delta in the stack segment; high half in `cpu.hi`. */
function pointerAddress(cpu: Cpu, register: number, delta: number, access: number): number {
  const { r } = cpu;
  const lo = r[register];
  const sum = (lo + delta) | 0;
  if (r[VCPU_CODE_BITS] === 64) {
    cpu.hi = (r[register + 1] + (delta >> 31) + (sum >>> 0 < lo >>> 0 ? 1 : 0)) | 0;
    return sum;
  }
  return segmentAddress(cpu, SS, stackBytes(cpu) === 4 ? sum : sum & 0xffff, 0, access);
}

/** Stores below the stack pointer; `delta` is counted from it, which is not moved. */
export function storeStack(cpu: Cpu, delta: number, size: number, lo: number, hi: number): void {
  const at = pointerAddress(cpu, RSP, delta, (1 << size) | WRITE);
  if (cpu.abort !== 0) return;
  storeSized(cpu, at, cpu.hi, size, lo, hi);
  if (cpu.abort !== 0) turnIntoStackFault(cpu);
}

/** Reads at the stack pointer + delta; narrow values sign-extended, high half in `cpu.hi`. */
export function loadStack(cpu: Cpu, delta: number, size: number): number {
  const at = pointerAddress(cpu, RSP, delta, 1 << size);
  if (cpu.abort !== 0) return 0;
  const lo = loadSized(cpu, at, cpu.hi, size);
  if (cpu.abort !== 0) turnIntoStackFault(cpu);
  return lo;
}

export function push(cpu: Cpu, size: number, lo: number, hi: number): void {
  storeStack(cpu, -(1 << size), size, lo, hi);
  if (cpu.abort === 0) adjustStack(cpu, -(1 << size));
}

export function executePush(cpu: Cpu, i: number): void {
  const lo = readSource(cpu, i);
  if (cpu.abort !== 0) return;
  push(cpu, operationSize(cpu.code[i + I_OPERATION]), lo, cpu.hi);
}

/** A memory destination that is addressed by (E/R)SP counts from its value after the pop (SDM vol 2, POP). */
export function executePop(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const lo = loadStack(cpu, 0, size);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return;
  if (!destinationIsMemory(word)) {
    adjustStack(cpu, 1 << size);
    writeRegister(cpu, code[i + I_DST], code[i + I_BYTE_SHIFTS] & 15, size, lo, hi);
    return;
  }
  const oldLo = r[RSP];
  const oldHi = r[RSP + 1];
  adjustStack(cpu, 1 << size);
  writeMemory(cpu, i, size, lo, hi);
  if (cpu.abort !== 0) {
    r[RSP] = oldLo;
    r[RSP + 1] = oldHi;
  }
}

/** PUSHA: all eight, SP as it was before. Nothing is stored unless everything can be. */
export function executePushAll(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const bytes = 1 << size;
  for (let n = 1; n <= 8; n++) {
    const at = pointerAddress(cpu, RSP, -n * bytes, bytes | WRITE);
    if (cpu.abort !== 0) return;
    probeWriteAccess(cpu, at, cpu.hi, bytes);
    if (cpu.abort !== 0) return;
  }
  for (let n = 1; n <= 8; n++) storeStack(cpu, -n * bytes, size, cpu.r[VCPU_GPR + (n - 1) * 2], 0);
  adjustStack(cpu, -8 * bytes);
}

export function executePopAll(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const bytes = 1 << size;
  // First all reads, so that a fault leaves the registers alone.
  for (let n = 0; n < 8; n++) {
    loadStack(cpu, n * bytes, size);
    if (cpu.abort !== 0) return;
  }
  for (let n = 0; n < 8; n++) {
    const register = VCPU_GPR + (7 - n) * 2;
    const value = loadStack(cpu, n * bytes, size);
    if (register !== RSP) writeRegister(cpu, register, 0, size, value, 0);
  }
  adjustStack(cpu, 8 * bytes);
}

/** VM and RF are stored as zero (SDM vol 2, PUSHF). */
export function executePushFlags(cpu: Cpu, i: number): void {
  push(cpu, operationSize(cpu.code[i + I_OPERATION]), materializeFlags(cpu.r) & 0x00fc_ffff, 0);
}

const POPF_ALWAYS = 0x24_4dd5; // CF PF AF ZF SF TF DF OF NT AC ID
const IOPL = 0x3000;

/** IF changes at CPL ≤ IOPL, IOPL at CPL 0; RF is cleared (SDM vol 2, POPF). */
export function executePopFlags(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const value = loadStack(cpu, 0, size);
  if (cpu.abort !== 0) return;
  adjustStack(cpu, 1 << size);
  const flags = materializeFlags(r);
  const cpl = r[VCPU_CPL];
  let mask = POPF_ALWAYS;
  if (cpl <= ((flags >> 12) & 3)) mask |= IF;
  if (cpl === 0) mask |= IOPL;
  if (size === WORD) mask &= 0xffff;
  r[VCPU_RFLAGS] = ((flags & ~mask & ~(size === WORD ? 0 : 0x1_0000)) | (value & mask) | 2) >>> 0;
  r[VCPU_FLAGS_OP] = FLAGS_EAGER;
  cpu.successor = 0;
}

export function executeLeave(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const bytes = 1 << size;
  const at = pointerAddress(cpu, RBP, 0, bytes);
  if (cpu.abort !== 0) return;
  const lo = loadSized(cpu, at, cpu.hi, size);
  const hi = cpu.hi;
  if (cpu.abort !== 0) {
    turnIntoStackFault(cpu);
    return;
  }
  const width = stackBytes(cpu);
  if (width === 2) r[RSP] = (r[RSP] & ~0xffff) | (r[RBP] & 0xffff);
  else {
    r[RSP] = r[RBP];
    r[RSP + 1] = r[RBP + 1];
  }
  adjustStack(cpu, bytes);
  writeRegister(cpu, RBP, 0, size, lo, hi);
}

/** ENTER: I_IMM holds the bytes of locals in its low 16 bits and the nesting level above. */
export function executeEnter(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const size = operationSize(code[i + I_OPERATION]);
  const bytes = 1 << size;
  const locals = code[i + I_IMM] & 0xffff;
  const level = (code[i + I_IMM] >>> 16) & 31;
  storeStack(cpu, -bytes, size, r[RBP], r[RBP + 1]);
  if (cpu.abort !== 0) return;
  let down = bytes;
  const frameLo = (r[RSP] - bytes) | 0;
  const frameHi = (r[RSP + 1] - (r[RSP] >>> 0 < bytes ? 1 : 0)) | 0;
  for (let n = 1; n < level; n++) {
    const at = pointerAddress(cpu, RBP, -n * bytes, bytes);
    if (cpu.abort !== 0) return;
    const lo = loadSized(cpu, at, cpu.hi, size);
    const hi = cpu.hi;
    if (cpu.abort !== 0) {
      turnIntoStackFault(cpu);
      return;
    }
    down += bytes;
    storeStack(cpu, -down, size, lo, hi);
    if (cpu.abort !== 0) return;
  }
  if (level > 0) {
    down += bytes;
    storeStack(cpu, -down, size, frameLo, frameHi);
    if (cpu.abort !== 0) return;
  }
  // The new top of the stack has to be writable, or nothing of this happened.
  const top = pointerAddress(cpu, RSP, -down - locals, bytes | WRITE);
  if (cpu.abort !== 0) return;
  probeWriteAccess(cpu, top, cpu.hi, bytes);
  if (cpu.abort !== 0) {
    turnIntoStackFault(cpu);
    return;
  }
  adjustStack(cpu, -down - locals);
  const width = stackBytes(cpu);
  if (size === WORD || width === 2) r[RBP] = (r[RBP] & ~0xffff) | (frameLo & 0xffff);
  else {
    r[RBP] = frameLo;
    r[RBP + 1] = size === QWORD ? frameHi : 0;
  }
}
