/**
 * Dispatch of the instructions on control and model-specific registers, and of those that leave the guest: operands are read here,
 * what they do is in ../system. RIP is that of the next instruction while they run; after those that may change the mode or
 * the mapping of code the run loop looks its next record up afresh.
 */
import { VCPU_CODE_BITS, VCPU_EXIT_QUALIFICATION, VCPU_GPR, VCPU_SECOND_LEVEL } from '../../arena/vcpu-layout.ts';
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
import { raiseExit, raiseUd, raiseUnimplemented } from '../interrupts/exceptions.ts';
import { offsetAddress, segmentAddress } from './exec-address.ts';
import { readSource, writeRegister } from './exec-operand.ts';
import { EXIT_CPUID, EXIT_INVLPG, EXIT_MSR_READ, EXIT_MSR_WRITE, EXIT_VMCALL } from '../system/exits.ts';
import {
  DWORD,
  I_DST,
  I_IMM,
  I_OPERATION,
  I_SEGMENT,
  I_SRC,
  KIND_MEMORY,
  operationNumber,
  QWORD,
  sourceKind,
} from '../decode/instruction.ts';
import { readMsr, writeMsr } from '../system/msr.ts';
import { SECOND_LEVEL_NONE, SECOND_LEVEL_NPT, SECOND_LEVEL_SHADOW } from '../second-level/second-level-entry.ts';
import { storeWord } from './exec-segment.ts';

const RAX = VCPU_GPR;
const RCX = VCPU_GPR + 2;
const RDX = VCPU_GPR + 4;

/** Of undefined opcodes, and of records that hold no instruction. */
export const executeInvalid = (cpu: Cpu, _i: number): void => raiseUd(cpu);

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

/** What is defined but not built: stops the machine and says so. The name is kept by the decoder. */
export function executeUnimplemented(cpu: Cpu, i: number): void {
  raiseUnimplemented(cpu, cpu.decoder.describe(i));
}
