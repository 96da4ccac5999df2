/** The commonest instructions on 64-bit operands, one handler for each form; see exec-hot-32.ts. */
import {
  VCPU_FLAGS_CARRY,
  VCPU_FLAGS_OP,
  VCPU_FLAGS_RESULT,
  VCPU_FLAGS_SRC1,
  VCPU_FLAGS_SRC2,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { address, WRITE } from './exec-address.ts';
import { AF, CF, FLAGS_ADD_64, FLAGS_LOGIC_64, FLAGS_RESULT_64, FLAGS_SUB_64, flagC, OF } from './flags.ts';
import { I_DST, I_IMM, I_IMM_HIGH, I_SRC, type InstructionHandler } from '../decode/instruction.ts';
import { load64, store64 } from '../memory/memory-access.ts';

type Words = Cpu['r'];

/** `dst` += the other operand. */
function add(r: Words, dst: number, bLo: number, bHi: number): void {
  const aLo = r[dst];
  const aHi = r[dst + 1];
  const lo = (aLo + bLo) | 0;
  const hi = (aHi + bHi + (lo >>> 0 < aLo >>> 0 ? 1 : 0)) | 0;
  r[VCPU_FLAGS_OP] = FLAGS_ADD_64;
  r[VCPU_FLAGS_RESULT] = lo;
  r[VCPU_FLAGS_RESULT + 1] = hi;
  r[VCPU_FLAGS_SRC1] = aLo;
  r[VCPU_FLAGS_SRC1 + 1] = aHi;
  r[VCPU_FLAGS_SRC2] = bLo;
  r[VCPU_FLAGS_SRC2 + 1] = bHi;
  r[dst] = lo;
  r[dst + 1] = hi;
}

/** The flags of a − b; the result is left in them. */
function compare(r: Words, aLo: number, aHi: number, bLo: number, bHi: number): void {
  r[VCPU_FLAGS_OP] = FLAGS_SUB_64;
  r[VCPU_FLAGS_RESULT] = aLo - bLo;
  r[VCPU_FLAGS_RESULT + 1] = aHi - bHi - (aLo >>> 0 < bLo >>> 0 ? 1 : 0);
  r[VCPU_FLAGS_SRC1] = aLo;
  r[VCPU_FLAGS_SRC1 + 1] = aHi;
  r[VCPU_FLAGS_SRC2] = bLo;
  r[VCPU_FLAGS_SRC2 + 1] = bHi;
}

function subtract(r: Words, dst: number, bLo: number, bHi: number): void {
  compare(r, r[dst], r[dst + 1], bLo, bHi);
  r[dst] = r[VCPU_FLAGS_RESULT];
  r[dst + 1] = r[VCPU_FLAGS_RESULT + 1];
}

function test(r: Words, lo: number, hi: number): void {
  r[VCPU_FLAGS_OP] = FLAGS_LOGIC_64;
  r[VCPU_FLAGS_RESULT] = lo;
  r[VCPU_FLAGS_RESULT + 1] = hi;
}

function logic(r: Words, dst: number, lo: number, hi: number): void {
  test(r, lo, hi);
  r[dst] = lo;
  r[dst + 1] = hi;
}

function readMemory(cpu: Cpu, i: number): number {
  const lo = address(cpu, i, 8);
  return cpu.abort === 0 ? load64(cpu, lo, cpu.hi) : 0;
}

/** By operation number, register with register: ADD OR – – AND SUB XOR CMP TEST. */
export const REGISTER_REGISTER_64: readonly (InstructionHandler | undefined)[] = [
  ({ r, code }, i) => {
    const src = code[i + I_SRC];
    add(r, code[i + I_DST], r[src], r[src + 1]);
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    const src = code[i + I_SRC];
    logic(r, dst, r[dst] | r[src], r[dst + 1] | r[src + 1]);
  },
  undefined,
  undefined,
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    const src = code[i + I_SRC];
    logic(r, dst, r[dst] & r[src], r[dst + 1] & r[src + 1]);
  },
  ({ r, code }, i) => {
    const src = code[i + I_SRC];
    subtract(r, code[i + I_DST], r[src], r[src + 1]);
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    const src = code[i + I_SRC];
    logic(r, dst, r[dst] ^ r[src], r[dst + 1] ^ r[src + 1]);
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    const src = code[i + I_SRC];
    compare(r, r[dst], r[dst + 1], r[src], r[src + 1]);
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    const src = code[i + I_SRC];
    test(r, r[dst] & r[src], r[dst + 1] & r[src + 1]);
  },
];

export const REGISTER_IMMEDIATE_64: readonly (InstructionHandler | undefined)[] = [
  ({ r, code }, i) => add(r, code[i + I_DST], code[i + I_IMM], code[i + I_IMM_HIGH]),
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    logic(r, dst, r[dst] | code[i + I_IMM], r[dst + 1] | code[i + I_IMM_HIGH]);
  },
  undefined,
  undefined,
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    logic(r, dst, r[dst] & code[i + I_IMM], r[dst + 1] & code[i + I_IMM_HIGH]);
  },
  ({ r, code }, i) => subtract(r, code[i + I_DST], code[i + I_IMM], code[i + I_IMM_HIGH]),
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    logic(r, dst, r[dst] ^ code[i + I_IMM], r[dst + 1] ^ code[i + I_IMM_HIGH]);
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    compare(r, r[dst], r[dst + 1], code[i + I_IMM], code[i + I_IMM_HIGH]);
  },
  ({ r, code }, i) => {
    const dst = code[i + I_DST];
    test(r, r[dst] & code[i + I_IMM], r[dst + 1] & code[i + I_IMM_HIGH]);
  },
];

export const REGISTER_MEMORY_64: readonly (InstructionHandler | undefined)[] = [
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort === 0) add(cpu.r, cpu.code[i + I_DST], lo, cpu.hi);
  },
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    logic(r, dst, r[dst] | lo, r[dst + 1] | cpu.hi);
  },
  undefined,
  undefined,
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    logic(r, dst, r[dst] & lo, r[dst + 1] & cpu.hi);
  },
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort === 0) subtract(cpu.r, cpu.code[i + I_DST], lo, cpu.hi);
  },
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    logic(r, dst, r[dst] ^ lo, r[dst + 1] ^ cpu.hi);
  },
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const dst = cpu.code[i + I_DST];
    compare(r, r[dst], r[dst + 1], lo, cpu.hi);
  },
  undefined,
];

export const MEMORY_REGISTER_64: readonly (InstructionHandler | undefined)[] = [
  ...Array.from({ length: 7 }, () => undefined),
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort !== 0) return;
    const { r } = cpu;
    const src = cpu.code[i + I_SRC];
    compare(r, lo, cpu.hi, r[src], r[src + 1]);
  },
  undefined,
];

export const MEMORY_IMMEDIATE_64: readonly (InstructionHandler | undefined)[] = [
  ...Array.from({ length: 7 }, () => undefined),
  (cpu, i) => {
    const lo = readMemory(cpu, i);
    if (cpu.abort === 0) compare(cpu.r, lo, cpu.hi, cpu.code[i + I_IMM], cpu.code[i + I_IMM_HIGH]);
  },
  undefined,
];

export function incrementRegister64({ r, code }: Cpu, i: number): void {
  const carry = flagC(r) ? CF : 0;
  const dst = code[i + I_DST];
  const lo = (r[dst] + 1) | 0;
  const hi = (r[dst + 1] + (lo === 0 ? 1 : 0)) | 0;
  r[VCPU_FLAGS_OP] = FLAGS_RESULT_64;
  r[VCPU_FLAGS_RESULT] = lo;
  r[VCPU_FLAGS_RESULT + 1] = hi;
  r[VCPU_FLAGS_CARRY] = carry | ((lo & 15) === 0 ? AF : 0) | (lo === 0 && hi === -0x8000_0000 ? OF : 0);
  r[dst] = lo;
  r[dst + 1] = hi;
}

export function decrementRegister64({ r, code }: Cpu, i: number): void {
  const carry = flagC(r) ? CF : 0;
  const dst = code[i + I_DST];
  const lo = (r[dst] - 1) | 0;
  const hi = (r[dst + 1] - (lo === -1 ? 1 : 0)) | 0;
  r[VCPU_FLAGS_OP] = FLAGS_RESULT_64;
  r[VCPU_FLAGS_RESULT] = lo;
  r[VCPU_FLAGS_RESULT + 1] = hi;
  r[VCPU_FLAGS_CARRY] = carry | ((lo & 15) === 15 ? AF : 0) | (lo === -1 && hi === 0x7fff_ffff ? OF : 0);
  r[dst] = lo;
  r[dst + 1] = hi;
}

export function moveRegisterRegister64({ r, code }: Cpu, i: number): void {
  const dst = code[i + I_DST];
  const src = code[i + I_SRC];
  r[dst] = r[src];
  r[dst + 1] = r[src + 1];
}

export function moveRegisterImmediate64({ r, code }: Cpu, i: number): void {
  const dst = code[i + I_DST];
  r[dst] = code[i + I_IMM];
  r[dst + 1] = code[i + I_IMM_HIGH];
}

export function moveRegisterMemory64(cpu: Cpu, i: number): void {
  const lo = readMemory(cpu, i);
  if (cpu.abort !== 0) return;
  const dst = cpu.code[i + I_DST];
  cpu.r[dst] = lo;
  cpu.r[dst + 1] = cpu.hi;
}

export function moveMemoryRegister64(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 8 | WRITE);
  if (cpu.abort !== 0) return;
  const src = cpu.code[i + I_SRC];
  store64(cpu, lo, cpu.hi, cpu.r[src], cpu.r[src + 1]);
}

export function moveMemoryImmediate64(cpu: Cpu, i: number): void {
  const lo = address(cpu, i, 8 | WRITE);
  if (cpu.abort === 0) store64(cpu, lo, cpu.hi, cpu.code[i + I_IMM], cpu.code[i + I_IMM_HIGH]);
}
