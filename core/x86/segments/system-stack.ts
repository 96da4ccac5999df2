/** The stack as the system instructions use it: by offset from the stack pointer, which moves only at the end. */
import { SEG_ATTRIBUTES, SEG_BASE, SS, VCPU_CODE_BITS, VCPU_GPR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, turnIntoStackFault, VECTOR_SS } from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { load16, load32, load64, store16, store32, store64 } from '../memory/memory-access.ts';
import { checkSegment, withinLimit } from './segments.ts';
import { ATTR_BIG, segmentWords } from './segments-descriptor.ts';
import { stackStore } from '../memory/system-access.ts';

export const RSP = VCPU_GPR + 8;

/** 8 in 64-bit mode, else 4 or 2 by SS.B: how wide the stack pointer is. */
export function stackWidth(r: Int32Array): number {
  if (r[VCPU_CODE_BITS] === 64) return 8;
  return (r[segmentWords(SS) + SEG_ATTRIBUTES] & ATTR_BIG) !== 0 ? 4 : 2;
}

/** High half of (lo, hi) + delta for a delta that fits an int32. */
function addHigh(lo: number, hi: number, delta: number): number {
  const sum = (lo + delta) >>> 0;
  const carry = sum < lo >>> 0 ? 1 : 0;
  return (hi + (delta >> 31) + carry) | 0;
}

/** Linear address of the slot `delta` bytes from the stack pointer: low half; high half in `cpu.hi`. Checks the segment. */
function slot(cpu: Cpu, delta: number, size: number, write: boolean): number {
  const r = cpu.r;
  const width = stackWidth(r);
  if (width === 8) {
    cpu.hi = addHigh(r[RSP], r[RSP + 1], delta);
    return (r[RSP] + delta) | 0;
  }
  const offset = width === 4 ? (r[RSP] + delta) | 0 : (r[RSP] + delta) & 0xffff;
  checkSegment(cpu, SS, offset, size, write);
  cpu.hi = 0;
  return (offset + r[segmentWords(SS) + SEG_BASE]) | 0;
}

/** The stack slot at `delta` from the stack pointer: low half, high half of eight bytes in `cpu.hi`. Check `cpu.abort`. */
export function loadStack(cpu: Cpu, delta: number, size: number): number {
  const lo = slot(cpu, delta, size, false);
  if (cpu.abort !== ABORT_NONE) return 0;
  const hi = cpu.hi;
  const value = size === 8 ? load64(cpu, lo, hi) : size === 4 ? load32(cpu, lo, hi) : load16(cpu, lo, hi);
  if (size !== 8) cpu.hi = 0;
  turnIntoStackFault(cpu);
  return value;
}

/** Stores at `delta` from the stack pointer at the current privilege. Check `cpu.abort`. */
export function storeStack(cpu: Cpu, delta: number, size: number, valueLo: number, valueHi: number): void {
  const lo = slot(cpu, delta, size, true);
  if (cpu.abort !== ABORT_NONE) return;
  const hi = cpu.hi;
  if (size === 8) store64(cpu, lo, hi, valueLo, valueHi);
  else if (size === 4) store32(cpu, lo, hi, valueLo);
  else store16(cpu, lo, hi, valueLo);
  turnIntoStackFault(cpu);
}

/** Moves the stack pointer, in the width in force. */
export function moveStackPointer(r: Int32Array, delta: number): void {
  const width = stackWidth(r);
  if (width === 8) {
    const lo = r[RSP];
    r[RSP + 1] = addHigh(lo, r[RSP + 1], delta);
    r[RSP] = (lo + delta) | 0;
  } else if (width === 4) {
    r[RSP] = (r[RSP] + delta) | 0;
    r[RSP + 1] = 0;
  } else r[RSP] = (r[RSP] & ~0xffff) | ((r[RSP] + delta) & 0xffff);
}

/**
 * A store on a stack that is not the current one yet, at offset `offset` of a segment with these properties. `error` is
 * the code of the #SS when it does not fit.
 */
export function storeOnNewStack(
  cpu: Cpu,
  cpl: number,
  attributes: number,
  limit: number,
  base: number,
  offset: number,
  size: number,
  value: number,
  error: number,
): void {
  const at = (attributes & ATTR_BIG) !== 0 ? offset : offset & 0xffff;
  if (!withinLimit(attributes, limit, at, size)) return raiseException(cpu, VECTOR_SS, true, error);
  stackStore(cpu, cpl, (base + at) | 0, 0, size, value, 0);
}
