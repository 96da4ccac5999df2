/**
 * Near control transfers: JMP Jcc CALL RET LOOP JCXZ. A direct branch inside its page remembers the record of its target
 * (I_TARGET), so the run loop does not look it up again.
 */
import { CS, SEG_LIMIT, SEGMENT_WORDS, VCPU_GPR, VCPU_RIP, VCPU_SEGMENTS } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, VECTOR_GP } from '../interrupts/exceptions.ts';
import { readSource } from './exec-operand.ts';
import { adjustStack, loadStack, storeStack } from './exec-stack.ts';
import { condition, flagC, flagLess, flagO, flagP, flagS, flagZ } from './flags.ts';
import {
  DWORD,
  I_IMM,
  I_OPERATION,
  I_SCALE,
  I_TARGET,
  type InstructionHandler,
  operationNumber,
  operationSize,
  QWORD,
  WORD,
} from '../decode/instruction.ts';

const CS_LIMIT = VCPU_SEGMENTS + CS * SEGMENT_WORDS + SEG_LIMIT;
const RCX = VCPU_GPR + 2;

/** Of a branch: the operand size, which is the width of the new RIP (QWORD, DWORD, WORD). Its address has no scale. */
export const I_BRANCH_WIDTH = I_SCALE;

/** RIP becomes the target, or #GP(0) is raised and nothing changes. */
export function setRip(cpu: Cpu, width: number, lo: number, hi: number): void {
  const { r } = cpu;
  if (width === QWORD) {
    if (((hi >> 15) + 1) >>> 0 > 1) {
      raiseException(cpu, VECTOR_GP, true, 0);
      return;
    }
    r[VCPU_RIP] = lo;
    r[VCPU_RIP + 1] = hi;
  } else {
    const offset = width === DWORD ? lo : lo & 0xffff;
    if (r[CS_LIMIT] !== -1 && offset >>> 0 > r[CS_LIMIT] >>> 0) {
      raiseException(cpu, VECTOR_GP, true, 0);
      return;
    }
    r[VCPU_RIP] = offset;
    r[VCPU_RIP + 1] = 0;
  }
  cpu.successor = 0;
}

/** Takes the direct branch of record `i`. */
export function branch(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const target = code[i + I_TARGET];
  const lo = r[VCPU_RIP];
  const displacement = code[i + I_IMM];
  const sum = (lo + displacement) | 0;
  if (target !== 0) {
    r[VCPU_RIP] = sum;
    cpu.successor = target;
    return;
  }
  const width = code[i + I_BRANCH_WIDTH];
  setRip(cpu, width, sum, (r[VCPU_RIP + 1] + (displacement >> 31) + (sum >>> 0 < lo >>> 0 ? 1 : 0)) | 0);
  // With a 16-bit RIP the target depends on more than the place in the page.
  if (width !== WORD) cpu.linkFrom = i;
}

export const executeJump: InstructionHandler = branch;

/** Jcc for the conditions 0 … 15. */
export const CONDITIONAL_JUMPS: readonly InstructionHandler[] = [
  (cpu, i) => {
    if (flagO(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (!flagO(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (flagC(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (!flagC(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (flagZ(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (!flagZ(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (flagC(cpu.r) || flagZ(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (!flagC(cpu.r) && !flagZ(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (flagS(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (!flagS(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (flagP(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (!flagP(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (flagLess(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (!flagLess(cpu.r)) branch(cpu, i);
  },
  (cpu, i) => {
    if (condition(cpu.r, 14)) branch(cpu, i);
  },
  (cpu, i) => {
    if (condition(cpu.r, 15)) branch(cpu, i);
  },
];

/** The size in the operation is that of the target. */
export function executeJumpIndirect(cpu: Cpu, i: number): void {
  const lo = readSource(cpu, i);
  if (cpu.abort !== 0) return;
  setRip(cpu, operationSize(cpu.code[i + I_OPERATION]), lo, cpu.hi);
}

/** The target is checked and the return address stored before RSP or RIP change. */
function call(cpu: Cpu, width: number, lo: number, hi: number): void {
  const { r } = cpu;
  const returnLo = r[VCPU_RIP];
  const returnHi = r[VCPU_RIP + 1];
  const bytes = 1 << width;
  setRip(cpu, width, lo, hi);
  if (cpu.abort !== 0) return;
  storeStack(cpu, -bytes, width, returnLo, returnHi);
  if (cpu.abort !== 0) return;
  adjustStack(cpu, -bytes);
}

export function executeCall(cpu: Cpu, i: number): void {
  const { code, r } = cpu;
  const width = code[i + I_BRANCH_WIDTH];
  const displacement = code[i + I_IMM];
  const lo = r[VCPU_RIP];
  const sum = (lo + displacement) | 0;
  if (code[i + I_TARGET] !== 0) {
    const bytes = 1 << width;
    storeStack(cpu, -bytes, width, lo, r[VCPU_RIP + 1]);
    if (cpu.abort !== 0) return;
    adjustStack(cpu, -bytes);
    r[VCPU_RIP] = sum;
    // Read again: the store may have hit this very page and dropped its records.
    cpu.successor = code[i + I_TARGET];
    return;
  }
  call(cpu, width, sum, (r[VCPU_RIP + 1] + (displacement >> 31) + (sum >>> 0 < lo >>> 0 ? 1 : 0)) | 0);
  if (width !== WORD) cpu.linkFrom = i;
}

export function executeCallIndirect(cpu: Cpu, i: number): void {
  const lo = readSource(cpu, i);
  if (cpu.abort !== 0) return;
  call(cpu, operationSize(cpu.code[i + I_OPERATION]), lo, cpu.hi);
}

/** RET and RET imm16. */
export function executeReturn(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const width = operationSize(code[i + I_OPERATION]);
  const lo = loadStack(cpu, 0, width);
  if (cpu.abort !== 0) return;
  setRip(cpu, width, lo, cpu.hi);
  if (cpu.abort !== 0) return;
  adjustStack(cpu, (1 << width) + code[i + I_IMM]);
}

/** LOOP (operation 0), LOOPE (1), LOOPNE (2), JCXZ (3); the size in the operation is that of the counter. */
export function executeLoop(cpu: Cpu, i: number): void {
  const { r, code } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const op = operationNumber(word);
  let lo = r[RCX];
  let hi = r[RCX + 1];
  const oldLo = lo;
  const oldHi = hi;
  if (op !== 3) {
    if (size === QWORD) {
      hi = (hi - (lo === 0 ? 1 : 0)) | 0;
      lo = (lo - 1) | 0;
    } else if (size === DWORD) {
      lo = (lo - 1) | 0;
      hi = 0;
    } else lo = (lo & ~0xffff) | ((lo - 1) & 0xffff);
    r[RCX] = lo;
    r[RCX + 1] = hi;
  }
  const zero = size === QWORD ? (lo | hi) === 0 : size === DWORD ? lo === 0 : (lo & 0xffff) === 0;
  const taken = op === 3 ? zero : !zero && (op === 0 || flagZ(r) === (op === 1));
  if (!taken) return;
  branch(cpu, i);
  if (cpu.abort !== 0) {
    r[RCX] = oldLo;
    r[RCX + 1] = oldHi;
  }
}
