/**
 * Dispatch of far transfers, software interrupts and system calls: operands are read here, what they do is in far-transfer.ts. RIP
 * is that of the next instruction while they run; the run loop looks its next record up afresh, because mode, mapping of code
 * or interrupt flag may have changed.
 */
import { VCPU_CODE_BITS, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { VECTOR_BP, VECTOR_DB, VECTOR_OF } from '../interrupts/exceptions.ts';
import { ABORT_DEBUG } from '../system/exits.ts';
import {
  breakpointInterrupt,
  debugInterrupt,
  farCall,
  farJump,
  farReturn,
  interruptReturn,
  overflowInterrupt,
  softwareInterrupt,
  syscall,
  sysenter,
  sysexit,
  sysret,
} from '../segments/far-transfer.ts';
import { flagO } from './flags.ts';
import {
  I_IMM,
  I_IMM_HIGH,
  I_LENGTH,
  I_OPERATION,
  operationNumber,
  operationSize,
  QWORD,
  WORD,
} from '../decode/instruction.ts';
import { readFarPointer } from './exec-segment.ts';

/** JMP and CALL ptr16:16, ptr16:32: operation 0 and 1. I_IMM_HIGH holds the selector. */
export function executeFarDirect(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  const transfer = operationNumber(word) === 0 ? farJump : farCall;
  transfer(cpu, code[i + I_IMM_HIGH] & 0xffff, code[i + I_IMM], 0, 1 << operationSize(word));
  cpu.successor = 0;
}

/** JMP and CALL m16:16, m16:32, m16:64. */
export function executeFarIndirect(cpu: Cpu, i: number): void {
  const word = cpu.code[i + I_OPERATION];
  const size = operationSize(word);
  const lo = readFarPointer(cpu, i, size);
  if (cpu.abort !== 0) return;
  const transfer = operationNumber(word) === 0 ? farJump : farCall;
  const offset = size === WORD ? lo & 0xffff : lo;
  transfer(cpu, cpu.selector, offset, size === QWORD ? cpu.hi : 0, 1 << size);
  cpu.successor = 0;
}

export function executeFarReturn(cpu: Cpu, i: number): void {
  farReturn(cpu, 1 << operationSize(cpu.code[i + I_OPERATION]), cpu.code[i + I_IMM] & 0xffff);
  cpu.successor = 0;
}

export function executeInterruptReturn(cpu: Cpu, i: number): void {
  interruptReturn(cpu, 1 << operationSize(cpu.code[i + I_OPERATION]));
  cpu.successor = 0;
}

/** By operation: INT n has its vector with it. */
const TRAP_VECTORS = [0, VECTOR_BP, VECTOR_DB, VECTOR_OF];

/** A debugger wants to stand in front of INT3, INT1 or INTO; it finds RIP at the instruction. */
function leavesBeforeTrap(cpu: Cpu, vector: number, length: number): boolean {
  const { watch, r } = cpu;
  if (watch === undefined || !watch.exceptions || cpu.emulator !== undefined) return false;
  const lo = r[VCPU_RIP];
  const hi = r[VCPU_RIP + 1];
  r[VCPU_RIP] = lo - length;
  if (lo >>> 0 < length && r[VCPU_CODE_BITS] === 64) r[VCPU_RIP + 1] = hi - 1;
  const leaves = watch.beforeException(cpu, vector, 0, 0, 0);
  r[VCPU_RIP] = lo;
  r[VCPU_RIP + 1] = hi;
  if (leaves) cpu.abort = ABORT_DEBUG;
  return leaves;
}

/** INT n and INT3, INT1, INTO: operations 0 … 3. TF is cleared by the delivery, so no single-step trap follows. */
export function executeInterrupt(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const op = operationNumber(code[i + I_OPERATION]);
  if (op === 3 && !flagO(cpu.r)) return;
  if (op !== 0 && leavesBeforeTrap(cpu, TRAP_VECTORS[op], code[i + I_LENGTH])) return;
  cpu.singleStep = false;
  if (op === 0) softwareInterrupt(cpu, code[i + I_IMM] & 0xff);
  else if (op === 1) breakpointInterrupt(cpu);
  else if (op === 2) debugInterrupt(cpu);
  else overflowInterrupt(cpu);
  cpu.successor = 0;
}

export function executeSyscall(cpu: Cpu, _i: number): void {
  syscall(cpu);
  cpu.successor = 0;
}

export function executeSysret(cpu: Cpu, i: number): void {
  sysret(cpu, 1 << operationSize(cpu.code[i + I_OPERATION]));
  cpu.successor = 0;
}

export function executeSysenter(cpu: Cpu, _i: number): void {
  sysenter(cpu);
  cpu.successor = 0;
}

export function executeSysexit(cpu: Cpu, i: number): void {
  sysexit(cpu, 1 << operationSize(cpu.code[i + I_OPERATION]));
  cpu.successor = 0;
}
