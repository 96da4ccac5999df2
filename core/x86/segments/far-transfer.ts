/**
 * Control transfers that load CS: far JMP and CALL, and the software interrupts. Returns are in far-transfer-return.ts, the
 * fast system calls in far-transfer-syscall.ts. All privilege checks are made here. RIP is that of the next instruction
 * on entry and the target's on return; on an abort nothing has changed. `size` is the operand size in bytes (2, 4, 8).
 */
import { CS, SEG_SELECTOR, VCPU_CPL, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import {
  raiseException,
  raiseGp,
  raiseUnimplemented,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_OF,
} from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { checkOffset, enterCode, enterRealCode, isReal } from './far-transfer-target.ts';
import { EVENT_PRIVILEGED_SOFTWARE, EVENT_SOFTWARE } from '../interrupts/interrupts-event.ts';
import { deliverThroughGate } from '../interrupts/interrupts-gate.ts';
import {
  ATTR_ACCESSED,
  ATTR_BIG,
  ATTR_LONG,
  ATTR_PRESENT,
  ATTR_S,
  attributesOf,
  dplOf,
  fetchDescriptor,
  isCode,
  isConforming,
  isLongMode,
  isNull,
  segmentWords,
  setDescriptorType,
} from './segments-descriptor.ts';
import { moveStackPointer, storeStack } from './system-stack.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

export { farReturn, interruptReturn } from './far-transfer-return.ts';
export { syscall, sysenter, sysexit, sysret } from './far-transfer-syscall.ts';

export function farJump(cpu: Cpu, selector: number, offsetLo: number, offsetHi: number, size: number): void {
  selector &= 0xffff;
  const lo = size === 2 ? offsetLo & 0xffff : offsetLo;
  const hi = size === 8 ? offsetHi : 0;
  if (isReal(cpu)) return enterRealCode(cpu, selector, lo);
  if (checkTarget(cpu, selector) && checkOffset(cpu, lo, hi)) enterCode(cpu, selector, cpu.r[VCPU_CPL], lo, hi);
}

export function farCall(cpu: Cpu, selector: number, offsetLo: number, offsetHi: number, size: number): void {
  const r = cpu.r;
  selector &= 0xffff;
  const lo = size === 2 ? offsetLo & 0xffff : offsetLo;
  const hi = size === 8 ? offsetHi : 0;
  const real = isReal(cpu);
  if (!real) {
    if (!checkTarget(cpu, selector) || !checkOffset(cpu, lo, hi)) return;
    setDescriptorType(cpu, selector, ATTR_ACCESSED);
    if (cpu.abort !== ABORT_NONE) return;
  }
  storeStack(cpu, -size, size, r[segmentWords(CS) + SEG_SELECTOR], 0);
  if (cpu.abort !== ABORT_NONE) return;
  storeStack(cpu, -2 * size, size, r[VCPU_RIP], r[VCPU_RIP + 1]);
  if (cpu.abort !== ABORT_NONE) return;
  moveStackPointer(r, -2 * size);
  if (real) enterRealCode(cpu, selector, lo);
  else enterCode(cpu, selector, r[VCPU_CPL], lo, hi);
}

/** INT n. */
export function softwareInterrupt(cpu: Cpu, vector: number): void {
  deliverThroughGate(cpu, vector & 0xff, EVENT_SOFTWARE, false, 0);
}

/** INT3 (0xCC). */
export function breakpointInterrupt(cpu: Cpu): void {
  deliverThroughGate(cpu, VECTOR_BP, EVENT_SOFTWARE, false, 0);
}

/** INTO with OF set (the caller tests OF). */
export function overflowInterrupt(cpu: Cpu): void {
  deliverThroughGate(cpu, VECTOR_OF, EVENT_SOFTWARE, false, 0);
}

/** INT1 (0xF1). */
export function debugInterrupt(cpu: Cpu): void {
  deliverThroughGate(cpu, VECTOR_DB, EVENT_PRIVILEGED_SOFTWARE, false, 0);
}

/** The descriptor that a far JMP or CALL names, into DESCRIPTOR. False with `cpu.abort` set. */
function checkTarget(cpu: Cpu, selector: number): boolean {
  if (isNull(selector)) {
    raiseGp(cpu, 0);
    return false;
  }
  if (!fetchDescriptor(cpu, selector, VECTOR_GP, 0)) return false;
  const r = cpu.r;
  const attributes = attributesOf(r[DESCRIPTOR + 1]);
  const error = selector & 0xfffc;
  const dpl = dplOf(attributes);
  const cpl = r[VCPU_CPL];
  if ((attributes & ATTR_S) === 0) refuseSystemTarget(cpu, attributes & 0xf, error);
  else if (!isCode(attributes)) raiseGp(cpu, error);
  else if (isConforming(attributes) ? dpl > cpl : dpl !== cpl || (selector & 3) > cpl) raiseGp(cpu, error);
  else if (isLongMode(r) && (attributes & (ATTR_LONG | ATTR_BIG)) === (ATTR_LONG | ATTR_BIG)) raiseGp(cpu, error);
  else if ((attributes & ATTR_PRESENT) === 0) raiseException(cpu, VECTOR_NP, true, error);
  return cpu.abort === ABORT_NONE;
}

/** Gates and tasks exist on hardware; here they stop the machine instead of pretending. What is neither is #GP. */
function refuseSystemTarget(cpu: Cpu, type: number, error: number): void {
  const long = isLongMode(cpu.r);
  if (type === 0xc || (!long && type === 4)) raiseUnimplemented(cpu, 'far transfer through a call gate');
  else if (!long && (type === 1 || type === 5 || type === 9)) {
    raiseUnimplemented(cpu, 'hardware task switch by a far JMP or CALL');
  } else raiseGp(cpu, error);
}
