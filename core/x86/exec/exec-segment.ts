/**
 * Dispatch of the instructions on segment registers, selectors and descriptor tables: operands are read here, what they do is in
 * segments.ts. RIP is that of the next instruction while they run.
 */
import {
  LDTR,
  SEG_SELECTOR,
  SEGMENT_WORDS,
  TR,
  VCPU_CODE_BITS,
  VCPU_GDTR_BASE,
  VCPU_GPR,
  VCPU_IDTR_BASE,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { address, WRITE } from './exec-address.ts';
import {
  loadSized,
  readDestination,
  readSource,
  writeDestination,
  writeMemory,
  writeRegister,
} from './exec-operand.ts';
import { adjustStack, loadStack, push } from './exec-stack.ts';
import { replaceFlags, ZF } from './flags.ts';
import {
  destinationIsMemory,
  I_DST,
  I_IMM,
  I_OPERATION,
  operationNumber,
  operationSize,
  QWORD,
  WORD,
} from '../decode/instruction.ts';
import {
  loadAccessRights,
  loadDescriptorTable,
  loadLdtr,
  loadSegment,
  loadSegmentLimit,
  loadTaskRegister,
  readSegmentBase,
  storeDescriptorTable,
  storeSystemSelector,
  swapGs,
  verifySegment,
  writeSegmentBase,
} from '../segments/segments.ts';

/** MOV Sreg, r/m16. I_IMM holds the segment. */
export function executeMoveToSegment(cpu: Cpu, i: number): void {
  const selector = readSource(cpu, i);
  if (cpu.abort !== 0) return;
  loadSegment(cpu, cpu.code[i + I_IMM], selector & 0xffff);
  cpu.successor = 0;
}

/** MOV r/m, Sreg: 16 bits to memory, zero-extended to a register. I_IMM holds the segment. */
export function executeMoveFromSegment(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const selector = r[VCPU_SEGMENTS + code[i + I_IMM] * SEGMENT_WORDS + SEG_SELECTOR] & 0xffff;
  storeWord(cpu, i, selector);
}

/** 16 bits to memory, or to a register of the operand size. */
export function storeWord(cpu: Cpu, i: number, value: number): void {
  if (destinationIsMemory(cpu.code[i + I_OPERATION])) writeMemory(cpu, i, WORD, value, 0);
  else writeDestination(cpu, i, value, 0);
}

export function executePushSegment(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const selector = r[VCPU_SEGMENTS + code[i + I_IMM] * SEGMENT_WORDS + SEG_SELECTOR] & 0xffff;
  push(cpu, operationSize(code[i + I_OPERATION]), selector, 0);
}

export function executePopSegment(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const size = operationSize(code[i + I_OPERATION]);
  const selector = loadStack(cpu, 0, size) & 0xffff;
  if (cpu.abort !== 0) return;
  // The pointer moves first: with SS it is the old stack's width that counts. Nothing faults after a load that succeeds.
  const before = cpu.r[VCPU_GPR + 8];
  const beforeHigh = cpu.r[VCPU_GPR + 9];
  adjustStack(cpu, 1 << size);
  loadSegment(cpu, code[i + I_IMM], selector);
  if (cpu.abort !== 0) {
    cpu.r[VCPU_GPR + 8] = before;
    cpu.r[VCPU_GPR + 9] = beforeHigh;
  }
  cpu.successor = 0;
}

/** LDS LES LSS LFS LGS: offset and selector from memory. The operation is the segment. */
export function executeLoadFarPointer(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const lo = readFarPointer(cpu, i, size);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return;
  loadSegment(cpu, operationNumber(word), cpu.selector);
  cpu.successor = 0;
  if (cpu.abort === 0) writeRegister(cpu, code[i + I_DST], 0, size, lo, hi);
}

/** The offset (half returned, half in `cpu.hi`), then the selector into `cpu.selector`. */
export function readFarPointer(cpu: Cpu, i: number, size: number): number {
  const bytes = 1 << size;
  const at = address(cpu, i, bytes + 2);
  const atHi = cpu.hi;
  if (cpu.abort !== 0) return 0;
  const lo = loadSized(cpu, at, atHi, size);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return 0;
  const selectorAt = (at + bytes) | 0;
  cpu.selector = loadSized(cpu, selectorAt, atHi + (selectorAt >>> 0 < bytes ? 1 : 0), WORD) & 0xffff;
  cpu.hi = hi;
  return lo;
}

/** LGDT LIDT SGDT SIDT: operations 0 … 3. */
export function executeDescriptorTable(cpu: Cpu, i: number): void {
  const word = cpu.code[i + I_OPERATION];
  const op = operationNumber(word);
  const store = op >= 2;
  const bytes = cpu.r[VCPU_CODE_BITS] === 64 ? 10 : 6;
  const at = address(cpu, i, store ? bytes | WRITE : bytes);
  if (cpu.abort !== 0) return;
  const table = (op & 1) === 0 ? VCPU_GDTR_BASE : VCPU_IDTR_BASE;
  if (store) storeDescriptorTable(cpu, table, at, cpu.hi);
  else loadDescriptorTable(cpu, table, at, cpu.hi, 1 << operationSize(word));
}

/** SLDT (operation 0) and STR (1). */
export function executeStoreSelector(cpu: Cpu, i: number): void {
  const selector = storeSystemSelector(cpu, operationNumber(cpu.code[i + I_OPERATION]) === 0 ? LDTR : TR);
  if (cpu.abort === 0) storeWord(cpu, i, selector);
}

/** LLDT (operation 0) and LTR (1). */
export function executeLoadSelector(cpu: Cpu, i: number): void {
  const selector = readSource(cpu, i);
  if (cpu.abort !== 0) return;
  const load = operationNumber(cpu.code[i + I_OPERATION]) === 0 ? loadLdtr : loadTaskRegister;
  load(cpu, selector & 0xffff);
}

/** LAR (operation 0) and LSL (1): ZF tells whether the selector could be looked at; the operand size is the result's. */
export function executeLoadRights(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  const selector = readSource(cpu, i);
  if (cpu.abort !== 0) return;
  const look = operationNumber(word) === 0 ? loadAccessRights : loadSegmentLimit;
  const value = look(cpu, selector & 0xffff);
  if (cpu.abort !== 0) return;
  replaceFlags(cpu.r, ZF, value === -1 ? 0 : ZF);
  if (value !== -1) writeRegister(cpu, code[i + I_DST], 0, operationSize(word), value | 0, 0);
}

/** VERR (operation 0) and VERW (1). */
export function executeVerify(cpu: Cpu, i: number): void {
  const selector = readDestination(cpu, i);
  if (cpu.abort !== 0) return;
  const accessible = verifySegment(cpu, selector & 0xffff, operationNumber(cpu.code[i + I_OPERATION]) === 1);
  if (cpu.abort === 0) replaceFlags(cpu.r, ZF, accessible ? ZF : 0);
}

export const executeSwapgs = (cpu: Cpu, _i: number): void => swapGs(cpu);

/** RDFSBASE and RDGSBASE; I_IMM holds the segment. */
export function executeReadBase(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const lo = readSegmentBase(cpu, code[i + I_IMM]);
  if (cpu.abort === 0) writeRegister(cpu, code[i + I_DST], 0, operationSize(code[i + I_OPERATION]), lo, cpu.hi);
}

export function executeWriteBase(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const register = code[i + I_DST];
  const wide = operationSize(code[i + I_OPERATION]) === QWORD;
  writeSegmentBase(cpu, code[i + I_IMM], r[register], wide ? r[register + 1] : 0);
}
