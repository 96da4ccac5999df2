/** XADD CMPXCHG CMPXCHG8B CMPXCHG16B. */
import { VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, VECTOR_GP } from '../interrupts/exceptions.ts';
import { address, WRITE } from './exec-address.ts';
import { arithmetic, arithmetic64, OP_ADD, OP_CMP } from './exec-arithmetic.ts';
import { readForWrite, readRegister, writeBack, writeRegister } from './exec-operand.ts';
import { replaceFlags, ZF } from './flags.ts';
import {
  destinationIsMemory,
  DWORD,
  I_BYTE_SHIFTS,
  I_OPERATION,
  I_SRC,
  operationSize,
  QWORD,
} from '../decode/instruction.ts';
import { load64, probeWriteAccess, store64 } from '../memory/memory-access.ts';

const RAX = VCPU_GPR;
const RCX = VCPU_GPR + 2;
const RDX = VCPU_GPR + 4;
const RBX = VCPU_GPR + 6;

export function executeExchangeAdd(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const size = operationSize(code[i + I_OPERATION]);
  const a = readForWrite(cpu, i);
  const aHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const src = code[i + I_SRC];
  const shift = code[i + I_BYTE_SHIFTS] >> 4;
  const b = readRegister(cpu, src, shift, size);
  const bHi = cpu.hi;
  const sum = size === QWORD ? arithmetic64(cpu, OP_ADD, a, aHi, b, bHi) : arithmetic(cpu, OP_ADD, size, a, b);
  const sumHi = cpu.hi;
  // The source first: with both operands the same register the sum is what stays.
  writeRegister(cpu, src, shift, size, a, aHi);
  writeBack(cpu, i, sum, sumHi);
}

/** A memory destination is written in either case: with what it held when the comparison fails (SDM vol 2, CMPXCHG). */
export function executeCompareExchange(cpu: Cpu, i: number): void {
  const { code } = cpu;
  const word = code[i + I_OPERATION];
  const size = operationSize(word);
  const value = readForWrite(cpu, i);
  const valueHi = cpu.hi;
  if (cpu.abort !== 0) return;
  const accumulator = readRegister(cpu, RAX, 0, size);
  const accumulatorHi = cpu.hi;
  let equal = accumulator === value;
  if (size === QWORD) {
    equal &&= accumulatorHi === valueHi;
    arithmetic64(cpu, OP_CMP, accumulator, accumulatorHi, value, valueHi);
  } else arithmetic(cpu, OP_CMP, size, accumulator, value);
  if (equal) {
    const source = readRegister(cpu, code[i + I_SRC], code[i + I_BYTE_SHIFTS] >> 4, size);
    writeBack(cpu, i, source, cpu.hi);
    return;
  }
  writeRegister(cpu, RAX, 0, size, value, valueHi);
  // A register destination is left alone, upper half and all, as the processor does.
  if (destinationIsMemory(word)) writeBack(cpu, i, value, valueHi);
}

/** CMPXCHG8B: EDX:EAX against memory, ECX:EBX into it. */
export function executeCompareExchange8(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const at = address(cpu, i, 8 | WRITE);
  const atHi = cpu.hi;
  if (cpu.abort !== 0) return;
  probeWriteAccess(cpu, at, atHi, 8);
  if (cpu.abort !== 0) return;
  const lo = load64(cpu, at, atHi);
  const hi = cpu.hi;
  if (cpu.abort !== 0) return;
  const equal = lo === r[RAX] && hi === r[RDX];
  replaceFlags(r, ZF, equal ? ZF : 0);
  if (equal) {
    store64(cpu, at, atHi, r[RBX], r[RCX]);
    return;
  }
  store64(cpu, at, atHi, lo, hi);
  writeRegister(cpu, RAX, 0, DWORD, lo, 0);
  writeRegister(cpu, RDX, 0, DWORD, hi, 0);
}

/** CMPXCHG16B: RDX:RAX against memory, RCX:RBX into it; the operand has to be aligned to 16 bytes. */
export function executeCompareExchange16(cpu: Cpu, i: number): void {
  const { r } = cpu;
  const at = address(cpu, i, 16 | WRITE);
  const atHi = cpu.hi;
  if (cpu.abort !== 0) return;
  if ((at & 15) !== 0) {
    raiseException(cpu, VECTOR_GP, true, 0);
    return;
  }
  probeWriteAccess(cpu, at, atHi, 16);
  if (cpu.abort !== 0) return;
  const w0 = load64(cpu, at, atHi);
  const w1 = cpu.hi;
  if (cpu.abort !== 0) return;
  const w2 = load64(cpu, at + 8, atHi);
  const w3 = cpu.hi;
  if (cpu.abort !== 0) return;
  const equal = w0 === r[RAX] && w1 === r[RAX + 1] && w2 === r[RDX] && w3 === r[RDX + 1];
  replaceFlags(r, ZF, equal ? ZF : 0);
  store64(cpu, at, atHi, equal ? r[RBX] : w0, equal ? r[RBX + 1] : w1);
  store64(cpu, at + 8, atHi, equal ? r[RCX] : w2, equal ? r[RCX + 1] : w3);
  if (equal) return;
  r[RAX] = w0;
  r[RAX + 1] = w1;
  r[RDX] = w2;
  r[RDX + 1] = w3;
}
