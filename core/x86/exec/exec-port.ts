/** IN and OUT. Permission and the VM exit are in port-exits.ts; here is where the value comes from and goes to. */
import { VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { readRegister, writeRegister } from './exec-operand.ts';
import { I_IMM, I_OPERATION, KIND_IMMEDIATE, operationSize, sourceKind } from '../decode/instruction.ts';
import { IO_IMMEDIATE, readPort, writePort } from '../system/port-exits.ts';

const RAX = VCPU_GPR;
const RDX = VCPU_GPR + 4;

const isImmediate = (cpu: Cpu, i: number): boolean => sourceKind(cpu.code[i + I_OPERATION]) === KIND_IMMEDIATE;
const portOf = (cpu: Cpu, i: number): number =>
  isImmediate(cpu, i) ? cpu.code[i + I_IMM] & 0xff : cpu.r[RDX] & 0xffff;
const formOf = (cpu: Cpu, i: number): number => (isImmediate(cpu, i) ? IO_IMMEDIATE : 0);

export function executeIn(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  const value = readPort(cpu, portOf(cpu, i), 1 << size, formOf(cpu, i));
  if (cpu.abort !== 0) return;
  writeRegister(cpu, RAX, 0, size, value, 0);
}

export function executeOut(cpu: Cpu, i: number): void {
  const size = operationSize(cpu.code[i + I_OPERATION]);
  writePort(cpu, portOf(cpu, i), 1 << size, readRegister(cpu, RAX, 0, size), formOf(cpu, i));
}
