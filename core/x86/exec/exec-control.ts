/** CLC STC CMC CLD STD CLI STI, HLT, and what else acts on the flags or the clock alone. */
import {
  VCPU_CPL,
  VCPU_GPR,
  VCPU_INTERRUPT_SHADOW,
  VCPU_MSR_TSC_AUX,
  VCPU_ACTIVITY,
  VCPU_RFLAGS,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, raiseExit, raiseGp, raiseUd, VECTOR_BR } from '../interrupts/exceptions.ts';
import { EXIT_HLT } from '../system/exits.ts';
import { address } from './exec-address.ts';
import { loadSized, readRegister, readForWrite, writeBack } from './exec-operand.ts';
import { AC, CF, DF, flagC, IF, replaceFlags, ZF } from './flags.ts';
import { BYTE, I_DST, I_OPERATION, I_SRC, operationNumber, operationSize, WORD } from '../decode/instruction.ts';
import { readTimestampCounter } from '../system/msr.ts';

const RAX = VCPU_GPR;
const RCX = VCPU_GPR + 2;
const RDX = VCPU_GPR + 4;

export const executeClearCarry = (cpu: Cpu, _i: number): void => replaceFlags(cpu.r, CF, 0);
export const executeSetCarry = (cpu: Cpu, _i: number): void => replaceFlags(cpu.r, CF, CF);
export const executeComplementCarry = (cpu: Cpu, _i: number): void => replaceFlags(cpu.r, CF, flagC(cpu.r) ? 0 : CF);
export function executeClearDirection(cpu: Cpu, _i: number): void {
  cpu.r[VCPU_RFLAGS] &= ~DF;
}
export function executeSetDirection(cpu: Cpu, _i: number): void {
  cpu.r[VCPU_RFLAGS] |= DF;
}

const mayChangeInterruptFlag = (cpu: Cpu): boolean => {
  if (cpu.r[VCPU_CPL] <= ((cpu.r[VCPU_RFLAGS] >> 12) & 3)) return true;
  raiseGp(cpu, 0);
  return false;
};

export function executeClearInterrupt(cpu: Cpu, _i: number): void {
  if (mayChangeInterruptFlag(cpu)) cpu.r[VCPU_RFLAGS] &= ~IF;
}

/** Interrupts stay blocked for one more instruction when IF was clear (SDM vol 2, STI). */
export function executeSetInterrupt(cpu: Cpu, _i: number): void {
  const { r } = cpu;
  if (!mayChangeInterruptFlag(cpu)) return;
  if ((r[VCPU_RFLAGS] & IF) === 0) r[VCPU_INTERRUPT_SHADOW] = 1;
  r[VCPU_RFLAGS] |= IF;
  cpu.successor = 0;
}

/** Exits; under the emulator the vCPU halts. */
export function executeHalt(cpu: Cpu, _i: number): void {
  if (cpu.r[VCPU_CPL] !== 0) raiseGp(cpu, 0);
  else if (cpu.emulator === undefined) raiseExit(cpu, EXIT_HLT);
  else cpu.r[VCPU_ACTIVITY] = 1;
}

export function executeReadTimestamp(cpu: Cpu, _i: number): void {
  const lo = readTimestampCounter(cpu);
  if (cpu.abort !== 0) return;
  const { r } = cpu;
  r[RDX] = cpu.hi;
  r[RDX + 1] = 0;
  r[RAX] = lo;
  r[RAX + 1] = 0;
}

export function executeReadTimestampAndProcessor(cpu: Cpu, i: number): void {
  executeReadTimestamp(cpu, i);
  if (cpu.abort !== 0) return;
  cpu.r[RCX] = cpu.r[VCPU_MSR_TSC_AUX];
  cpu.r[RCX + 1] = 0;
}

/** RDPMC: there are no counters, so every index is invalid. */
export const executeReadCounter = (cpu: Cpu, _i: number): void => raiseGp(cpu, 0);

/** BOUND (outside 64-bit mode): #BR unless lower ≤ index ≤ upper. */
export function executeBound(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const size = operationSize(code[i + I_OPERATION]);
  const bytes = 1 << size;
  const at = address(cpu, i, bytes * 2);
  if (cpu.abort !== 0) return;
  const index = readRegister(cpu, code[i + I_DST], 0, size);
  const lower = loadSized(cpu, at, 0, size);
  if (cpu.abort !== 0) return;
  const upper = loadSized(cpu, (at + bytes) | 0, 0, size);
  if (cpu.abort !== 0) return;
  if (index < lower || index > upper) raiseException(cpu, VECTOR_BR, false, 0);
}

/** ARPL (protected mode, outside 64-bit mode): raises the RPL of a selector to that of another. */
export function executeAdjustRpl(cpu: Cpu, i: number): void {
  const selector = readForWrite(cpu, i);
  if (cpu.abort !== 0) return;
  const wanted = readRegister(cpu, cpu.code[i + I_SRC], 0, WORD) & 3;
  const lower = (selector & 3) < wanted;
  replaceFlags(cpu.r, ZF, lower ? ZF : 0);
  if (lower) writeBack(cpu, i, (selector & ~3) | wanted, 0);
}

/** CLAC and STAC: operation 0 and 1 (SDM vol 2): RFLAGS.AC at CPL 0 where SMAP is offered, #UD elsewhere. */
export function executeAccessControl(cpu: Cpu, i: number): void {
  if (cpu.r[VCPU_CPL] !== 0) {
    raiseUd(cpu);
    return;
  }
  if (operationNumber(cpu.code[i + I_OPERATION]) === 0) cpu.r[VCPU_RFLAGS] &= ~AC;
  else cpu.r[VCPU_RFLAGS] |= AC;
}

/** CLFLUSH and its kin have no cache to act on, but fault as a load of the byte would. */
export function executeCacheLine(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 1);
  if (cpu.abort === 0) loadSized(cpu, lo, cpu.hi, BYTE);
}
