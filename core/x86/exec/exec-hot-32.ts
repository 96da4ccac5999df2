/**
 * The commonest instructions on 32-bit operands, one handler for each form: what exec-arithmetic.ts and exec-move.ts do, with
 * nothing left to decide at run time. Kept free of helper layers on purpose; measured in test/bench.
 */
import {
  VCPU_FLAGS_CARRY,
  VCPU_FLAGS_OP,
  VCPU_FLAGS_RESULT,
  VCPU_FLAGS_SRC1,
  VCPU_FLAGS_SRC2,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { address, WRITE } from './exec-address.ts';
import { AF, CF, FLAGS_ADD, FLAGS_LOGIC, FLAGS_RESULT, FLAGS_SUB, flagC, OF } from './flags.ts';
import { I_BYTE_SHIFTS, I_DST, I_IMM, I_SRC, type InstructionHandler } from '../decode/instruction.ts';
import { load16, load32, load8, store16, store32, store8 } from '../memory/memory-access.ts';

type Words = Cpu['r'];

function add(r: Words, a: number, b: number): number {
  const result = (a + b) | 0;
  r[VCPU_FLAGS_OP] = FLAGS_ADD;
  r[VCPU_FLAGS_RESULT] = result;
  r[VCPU_FLAGS_SRC1] = a;
  r[VCPU_FLAGS_SRC2] = b;
  return result;
}

function subtract(r: Words, a: number, b: number): number {
  const result = (a - b) | 0;
  r[VCPU_FLAGS_OP] = FLAGS_SUB;
  r[VCPU_FLAGS_RESULT] = result;
  r[VCPU_FLAGS_SRC1] = a;
  r[VCPU_FLAGS_SRC2] = b;
  return result;
}

function logic(r: Words, result: number): number {
  r[VCPU_FLAGS_OP] = FLAGS_LOGIC;
  r[VCPU_FLAGS_RESULT] = result;
  return result;
}

function write(r: Words, register: number, value: number): void {
  r[register] = value;
  r[register + 1] = 0;
}

function readMemory(cpu: Cpu, i: number): number {
  const lo = address(cpu, i, 4);
  return cpu.abort === 0 ? load32(cpu, lo, cpu.hi) : 0;
}

/** By operation number (exec-arithmetic.ts), register with register: ADD OR – – AND SUB XOR CMP TEST. */
export const REGISTER_REGISTER_32: readonly (InstructionHandler | undefined)[] = [
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, add(r, r[dst], r[code[i + I_SRC]]));
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, logic(r, r[dst] | r[code[i + I_SRC]]));
  },
  undefined,
  undefined,
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, logic(r, r[dst] & r[code[i + I_SRC]]));
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, subtract(r, r[dst], r[code[i + I_SRC]]));
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, logic(r, r[dst] ^ r[code[i + I_SRC]]));
  },
  ({ r, code }, i) => void subtract(r, r[code[i + I_DST]], r[code[i + I_SRC]]),
  ({ r, code }, i) => void logic(r, r[code[i + I_DST]] & r[code[i + I_SRC]]),
];

export const REGISTER_IMMEDIATE_32: readonly (InstructionHandler | undefined)[] = [
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, add(r, r[dst], code[i + I_IMM]));
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, logic(r, r[dst] | code[i + I_IMM]));
  },
  undefined,
  undefined,
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, logic(r, r[dst] & code[i + I_IMM]));
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, subtract(r, r[dst], code[i + I_IMM]));
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    write(r, dst, logic(r, r[dst] ^ code[i + I_IMM]));
  },
  ({ r, code }, i) => void subtract(r, r[code[i + I_DST]], code[i + I_IMM]),
  ({ r, code }, i) => void logic(r, r[code[i + I_DST]] & code[i + I_IMM]),
];

export const REGISTER_MEMORY_32: readonly (InstructionHandler | undefined)[] = [
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    write(r, dst, add(r, r[dst], value));
  },
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    write(r, dst, logic(r, r[dst] | value));
  },
  undefined,
  undefined,
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    write(r, dst, logic(r, r[dst] & value));
  },
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    write(r, dst, subtract(r, r[dst], value));
  },
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    write(r, dst, logic(r, r[dst] ^ value));
  },
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort === 0) subtract(cpu.r, cpu.r[cpu.code[i + I_DST]], value);
  },
  undefined,
];

/** CMP (7) and TEST (8) of memory with a register or an immediate. */
export const MEMORY_REGISTER_32: readonly (InstructionHandler | undefined)[] = [
  ...Array.from({ length: 7 }, () => undefined),
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort === 0) subtract(cpu.r, value, cpu.r[cpu.code[i + I_SRC]]);
  },
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort === 0) logic(cpu.r, value & cpu.r[cpu.code[i + I_SRC]]);
  },
];

export const MEMORY_IMMEDIATE_32: readonly (InstructionHandler | undefined)[] = [
  ...Array.from({ length: 7 }, () => undefined),
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort === 0) subtract(cpu.r, value, cpu.code[i + I_IMM]);
  },
  (cpu, i) => {
    const value = readMemory(cpu, i);
    if (cpu.abort === 0) logic(cpu.r, value & cpu.code[i + I_IMM]);
  },
];

export function incrementRegister32({ r, code }: Cpu, i: number): void {
  const carry = flagC(r) ? CF : 0;
  const dst = code[i + I_DST];
  const result = (r[dst] + 1) | 0;
  r[VCPU_FLAGS_OP] = FLAGS_RESULT;
  r[VCPU_FLAGS_RESULT] = result;
  r[VCPU_FLAGS_CARRY] = carry | ((result & 15) === 0 ? AF : 0) | (result === -0x8000_0000 ? OF : 0);
  r[dst] = result;
  r[dst + 1] = 0;
}

export function decrementRegister32({ r, code }: Cpu, i: number): void {
  const carry = flagC(r) ? CF : 0;
  const dst = code[i + I_DST];
  const result = (r[dst] - 1) | 0;
  r[VCPU_FLAGS_OP] = FLAGS_RESULT;
  r[VCPU_FLAGS_RESULT] = result;
  r[VCPU_FLAGS_CARRY] = carry | ((result & 15) === 15 ? AF : 0) | (result === 0x7fff_ffff ? OF : 0);
  r[dst] = result;
  r[dst + 1] = 0;
}

export function moveRegisterRegister32({ r, code }: Cpu, i: number): void {
  const dst = code[i + I_DST];
  r[dst] = r[code[i + I_SRC]];
  r[dst + 1] = 0;
}

export function moveRegisterImmediate32({ r, code }: Cpu, i: number): void {
  const dst = code[i + I_DST];
  r[dst] = code[i + I_IMM];
  r[dst + 1] = 0;
}

export function moveRegisterMemory32(cpu: Cpu, i: number): void {
  const value = readMemory(cpu, i);
  if (cpu.abort !== 0) return;
  const dst = cpu.code[i + I_DST];
  cpu.r[dst] = value;
  cpu.r[dst + 1] = 0;
}

export function moveMemoryRegister32(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 4 | WRITE);
  if (cpu.abort === 0) store32(cpu, lo, cpu.hi, cpu.r[cpu.code[i + I_SRC]]);
}

export function moveMemoryImmediate32(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 4 | WRITE);
  if (cpu.abort === 0) store32(cpu, lo, cpu.hi, cpu.code[i + I_IMM]);
}

/** MOV m8, r8 and MOV m16, r16. */
export function moveMemoryRegister8(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 1 | WRITE);
  const { code } = cpu;
  if (cpu.abort === 0) store8(cpu, lo, cpu.hi, (cpu.r[code[i + I_SRC]] >>> (code[i + I_BYTE_SHIFTS] >> 4)) & 0xff);
}

export function moveMemoryRegister16(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 2 | WRITE);
  if (cpu.abort === 0) store16(cpu, lo, cpu.hi, cpu.r[cpu.code[i + I_SRC]] & 0xffff);
}

/** MOVZX and MOVSX from memory into 32 bits; into 64 MOVZX is the same. */
export function zeroExtendByte(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 1);
  if (cpu.abort !== 0) return;
  const value = load8(cpu, lo, cpu.hi);
  if (cpu.abort === 0) write(cpu.r, cpu.code[i + I_DST], value);
}

export function zeroExtendWord(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 2);
  if (cpu.abort !== 0) return;
  const value = load16(cpu, lo, cpu.hi);
  if (cpu.abort === 0) write(cpu.r, cpu.code[i + I_DST], value);
}

export function zeroExtendRegisterByte({ r, code }: Cpu, i: number): void {
  write(r, code[i + I_DST], (r[code[i + I_SRC]] >>> (code[i + I_BYTE_SHIFTS] >> 4)) & 0xff);
}

export function zeroExtendRegisterWord({ r, code }: Cpu, i: number): void {
  write(r, code[i + I_DST], r[code[i + I_SRC]] & 0xffff);
}
