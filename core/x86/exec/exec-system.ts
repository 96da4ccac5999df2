/**
 * Dispatch of the system instructions: operands are read here, what they do is in the modules of the system side.
 *
 * Expected of them (functions on plain numbers; they make the privilege checks and raise faults):
 *   far-transfer.ts       farJump farCall farReturn interruptReturn softwareInterrupt breakpointInterrupt overflowInterrupt
 *                         debugInterrupt syscall sysret sysenter sysexit
 *   segments.ts           loadSegment loadLdtr loadTaskRegister storeSystemSelector loadAccessRights loadSegmentLimit
 *                         verifySegment loadDescriptorTable storeDescriptorTable swapGs readSegmentBase writeSegmentBase
 *   control-registers.ts  readControlRegister writeControlRegister readDebugRegister writeDebugRegister
 *                         loadMachineStatusWord storeMachineStatusWord clearTaskSwitched invalidatePage writeBackCaches
 *   msr.ts                readMsr writeMsr readTimestampCounter      cpuid.ts  executeCpuid
 *   port-exits.ts         readPort writePort                         exceptions.ts, interrupts.ts, memory-access.ts
 *
 * RIP is that of the next instruction while they run. After any of them the run loop looks its next record up afresh,
 * because the mode, the mapping of code or the interrupt flag may have changed.
 */
import {
  LDTR,
  SEG_SELECTOR,
  SEGMENT_WORDS,
  TR,
  VCPU_CODE_BITS,
  VCPU_EXIT_QUALIFICATION,
  VCPU_GDTR_BASE,
  VCPU_GPR,
  VCPU_IDTR_BASE,
  VCPU_RIP,
  VCPU_SECOND_LEVEL,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import {
  clearTaskSwitched,
  invalidatePage,
  loadMachineStatusWord,
  readControlRegister,
  readDebugRegister,
  storeMachineStatusWord,
  writeBackCaches,
  writeControlRegister,
  writeDebugRegister,
} from '../system/control-registers.ts';
import { exitsForClts, exitsForLmsw, exitsForMoveFrom, exitsForMoveTo, exitsForSmsw } from '../system/control-exits.ts';
import type { Cpu } from '../cpu.ts';
import { executeCpuid } from '../system/cpuid.ts';
import { raiseExit, raiseUd, raiseUnimplemented, VECTOR_BP, VECTOR_DB, VECTOR_OF } from '../interrupts/exceptions.ts';
import { address, offsetAddress, segmentAddress, WRITE } from './exec-address.ts';
import {
  loadSized,
  readDestination,
  readSource,
  writeDestination,
  writeMemory,
  writeRegister,
} from './exec-operand.ts';
import { adjustStack, loadStack, push } from './exec-stack.ts';
import { ABORT_DEBUG, EXIT_CPUID, EXIT_INVLPG, EXIT_MSR_READ, EXIT_MSR_WRITE, EXIT_VMCALL } from '../system/exits.ts';
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
import { flagO, replaceFlags, ZF } from './flags.ts';
import {
  destinationIsMemory,
  DWORD,
  I_DST,
  I_IMM,
  I_IMM_HIGH,
  I_LENGTH,
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
import { readMsr, writeMsr } from '../system/msr.ts';
import { SECOND_LEVEL_NONE, SECOND_LEVEL_NPT, SECOND_LEVEL_SHADOW } from '../second-level/second-level-entry.ts';
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

const RAX = VCPU_GPR;
const RCX = VCPU_GPR + 2;
const RDX = VCPU_GPR + 4;

/** Of undefined opcodes, and of records that hold no instruction. */
export const executeInvalid = (cpu: Cpu, _i: number): void => raiseUd(cpu);

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
function storeWord(cpu: Cpu, i: number, value: number): void {
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
function readFarPointer(cpu: Cpu, i: number, size: number): number {
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

/** CPUID exits whatever the privilege level (SDM vol 3C, "Instructions That Cause VM Exits Unconditionally"). */
export function executeCpuidOrExit(cpu: Cpu, _i: number): void {
  if (cpu.emulator === undefined) raiseExit(cpu, EXIT_CPUID);
  else executeCpuid(cpu);
}

export function executeReadMsr(cpu: Cpu, _i: number): void {
  if (cpu.emulator === undefined && cpu.isKernel()) {
    raiseExit(cpu, EXIT_MSR_READ);
    return;
  }
  const lo = readMsr(cpu, cpu.r[RCX]);
  if (cpu.abort !== 0) return;
  const { hi } = cpu;
  writeRegister(cpu, RAX, 0, DWORD, lo, 0);
  writeRegister(cpu, RDX, 0, DWORD, hi, 0);
}

export function executeWriteMsr(cpu: Cpu, _i: number): void {
  const { r } = cpu;
  if (cpu.emulator === undefined && cpu.isKernel()) {
    raiseExit(cpu, EXIT_MSR_WRITE);
    return;
  }
  writeMsr(cpu, r[RCX], r[RAX], r[RDX]);
  cpu.successor = 0;
}

const controlSize = (cpu: Cpu): number => (cpu.r[VCPU_CODE_BITS] === 64 ? QWORD : DWORD);

/** MOV r, CRn and MOV r, DRn (operation 1). I_IMM holds the number. */
export function executeReadControl(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const control = operationNumber(code[i + I_OPERATION]) === 0;
  if (control && exitsForMoveFrom(cpu, code[i + I_IMM], (code[i + I_DST] - VCPU_GPR) >> 1)) return;
  const read = control ? readControlRegister : readDebugRegister;
  const lo = read(cpu, code[i + I_IMM]);
  if (cpu.abort === 0) writeRegister(cpu, code[i + I_DST], 0, controlSize(cpu), lo, cpu.hi);
}

export function executeWriteControl(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const control = operationNumber(code[i + I_OPERATION]) === 0;
  const source = code[i + I_SRC];
  const hi = r[VCPU_CODE_BITS] === 64 ? r[source + 1] : 0;
  if (control && exitsForMoveTo(cpu, code[i + I_IMM], (source - VCPU_GPR) >> 1, r[source], hi)) return;
  const write = control ? writeControlRegister : writeDebugRegister;
  write(cpu, code[i + I_IMM], r[source], hi);
  cpu.successor = 0;
}

export function executeLmsw(cpu: Cpu, i: number): void {
  const value = readSource(cpu, i);
  if (cpu.abort !== 0 || exitsForLmsw(cpu, value, sourceKind(cpu.code[i + I_OPERATION]) === KIND_MEMORY)) return;
  loadMachineStatusWord(cpu, value & 0xffff);
  cpu.successor = 0;
}

export function executeSmsw(cpu: Cpu, i: number): void {
  if (exitsForSmsw(cpu)) return;
  storeWord(cpu, i, storeMachineStatusWord(cpu));
}

export function executeClts(cpu: Cpu, _i: number): void {
  if (exitsForClts(cpu)) return;
  clearTaskSwitched(cpu);
}

/**
 * In 64-bit mode the segment base counts, a non-canonical address does nothing (SDM vol 2, INVLPG). Where KVM keeps shadow
 * tables it has to know and the instruction exits; the qualification is the linear address.
 */
export function executeInvlpg(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const offset = offsetAddress(cpu, i);
  const lo = segmentAddress(cpu, cpu.code[i + I_SEGMENT], offset, cpu.hi, 1);
  if (cpu.abort !== 0) return;
  if (r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_SHADOW && cpu.emulator === undefined && cpu.isKernel()) {
    r[VCPU_EXIT_QUALIFICATION] = lo;
    r[VCPU_EXIT_QUALIFICATION + 1] = cpu.hi;
    raiseExit(cpu, EXIT_INVLPG);
    return;
  }
  invalidatePage(cpu, lo, cpu.hi);
  cpu.successor = 0;
}

/** VMCALL (operation 0) leaves an Intel guest at every privilege level, VMMCALL (1) AMD's; each is undefined on the other. */
export function executeHypercall(cpu: Cpu, i: number): void {
  const second = cpu.r[VCPU_SECOND_LEVEL];
  const amd = second === SECOND_LEVEL_NPT;
  const own = second !== SECOND_LEVEL_NONE && (operationNumber(cpu.code[i + I_OPERATION]) === 1) === amd;
  if (own && cpu.emulator === undefined) raiseExit(cpu, EXIT_VMCALL);
  else raiseUd(cpu);
}

export const executeWbinvd = (cpu: Cpu, _i: number): void => writeBackCaches(cpu);

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

/** What is defined but not built: stops the machine and says so. The name is kept by the decoder. */
export function executeUnimplemented(cpu: Cpu, i: number): void {
  raiseUnimplemented(cpu, cpu.decoder.describe(i));
}
