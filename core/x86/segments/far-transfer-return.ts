/** Far RET and IRET: back to the same or an outer privilege level (SDM vol 2, "RET", "IRET/IRETD/IRETQ"). */
import { DS, ES, FS, GS, SEG_ATTRIBUTES, SEG_UNUSABLE, SS, VCPU_CODE_BITS, VCPU_CPL } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, raiseGp, raiseUnimplemented, VECTOR_GP, VECTOR_NP } from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { checkOffset, enterCode, enterRealCode, isReal } from './far-transfer-target.ts';
import { checkStackDescriptor } from './segments.ts';
import {
  ATTR_ACCESSED,
  ATTR_BIG,
  ATTR_LONG,
  ATTR_PRESENT,
  attributesOf,
  baseOf,
  dplOf,
  fetchDescriptor,
  isCode,
  isConforming,
  isData,
  isLongMode,
  isNull,
  limitOf,
  segmentWords,
  setDescriptorType,
  setNullSegment,
  setSegment,
} from './segments-descriptor.ts';
import { loadStack, moveStackPointer, RSP, stackWidth } from './system-stack.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

const TF = 0x100;
const IF = 0x200;
const DF = 0x400;
const IOPL = 0x3000;
const NT = 0x4000;
const RF = 0x1_0000;
const VM = 0x2_0000;
const AC = 0x4_0000;
const ID = 0x20_0000;
const ARITHMETIC = 0x8d5;

/** RETF and RETF imm16 (`release` bytes of parameters). */
export function farReturn(cpu: Cpu, size: number, release: number): void {
  const lo = loadStack(cpu, 0, size);
  const hi = size === 8 ? cpu.hi : 0;
  if (cpu.abort !== ABORT_NONE) return;
  const selector = loadStack(cpu, size, size) & 0xffff;
  if (cpu.abort !== ABORT_NONE) return;
  if (isReal(cpu)) {
    moveStackPointer(cpu.r, 2 * size + release);
    return enterRealCode(cpu, selector, size === 2 ? lo & 0xffff : lo);
  }
  const outer = (selector & 3) > cpu.r[VCPU_CPL];
  returnTo(cpu, selector, lo, hi, outer ? 2 * size + release : -1, 2 * size + release, size, release, 0, -1);
}

/** IRET, IRETD, IRETQ. */
export function interruptReturn(cpu: Cpu, size: number): void {
  const r = cpu.r;
  const lo = loadStack(cpu, 0, size);
  const hi = size === 8 ? cpu.hi : 0;
  if (cpu.abort !== ABORT_NONE) return;
  const selector = loadStack(cpu, size, size) & 0xffff;
  if (cpu.abort !== ABORT_NONE) return;
  const flags = loadStack(cpu, 2 * size, size);
  if (cpu.abort !== ABORT_NONE) return;
  if (isReal(cpu)) {
    moveStackPointer(r, 3 * size);
    enterRealCode(cpu, selector, size === 2 ? lo & 0xffff : lo);
    return restoreFlags(cpu, flags, size, 0);
  }
  if ((cpu.rflags() & NT) !== 0) {
    if (isLongMode(r)) return raiseGp(cpu, 0);
    return raiseUnimplemented(cpu, 'hardware task switch by IRET with NT set');
  }
  if (size !== 2 && (flags & VM) !== 0 && r[VCPU_CPL] === 0 && !isLongMode(r)) {
    return raiseUnimplemented(cpu, 'virtual-8086 mode');
  }
  // In 64-bit mode the frame always holds SS:RSP.
  const hasStack = r[VCPU_CODE_BITS] === 64 || (selector & 3) > r[VCPU_CPL];
  returnTo(cpu, selector, lo, hi, hasStack ? 3 * size : -1, 3 * size, size, 0, 1, flags);
}

/**
 * @param stackAt where SS:RSP lie from the stack pointer, or −1 when the stack stays
 * @param drop bytes to drop when it stays
 * @param release bytes to add to the outer stack pointer
 * @param withFlags 1: `flags` are loaded too
 */
function returnTo(
  cpu: Cpu,
  selector: number,
  lo: number,
  hi: number,
  stackAt: number,
  drop: number,
  size: number,
  release: number,
  withFlags: number,
  flags: number,
): void {
  const r = cpu.r;
  const oldCpl = r[VCPU_CPL];
  if (!checkReturnSegment(cpu, selector)) return;
  if (!checkOffset(cpu, size === 2 ? lo & 0xffff : lo, hi)) return;
  const cpl = selector & 3;
  const codeLo = r[DESCRIPTOR];
  const codeHi = r[DESCRIPTOR + 1];
  let stackLo = 0;
  let stackHi = 0;
  let stackSelector = 0;
  let stackDescriptorLo = 0;
  let stackDescriptorHi = 0;
  if (stackAt >= 0) {
    stackLo = loadStack(cpu, stackAt, size);
    stackHi = size === 8 ? cpu.hi : 0;
    if (cpu.abort !== ABORT_NONE) return;
    stackSelector = loadStack(cpu, stackAt + size, size) & 0xffff;
    if (cpu.abort !== ABORT_NONE) return;
    if (isNull(stackSelector)) {
      const to64 = isLongMode(r) && (attributesOf(codeHi) & ATTR_LONG) !== 0;
      if (!to64 || cpl === 3 || (stackSelector & 3) !== cpl) return raiseGp(cpu, 0);
    } else {
      if (!checkStackDescriptor(cpu, stackSelector, cpl, VECTOR_GP, 0)) return;
      setDescriptorType(cpu, stackSelector, ATTR_ACCESSED);
      if (cpu.abort !== ABORT_NONE) return;
      stackDescriptorLo = r[DESCRIPTOR];
      stackDescriptorHi = r[DESCRIPTOR + 1];
    }
  }
  r[DESCRIPTOR] = codeLo;
  r[DESCRIPTOR + 1] = codeHi;
  setDescriptorType(cpu, selector, ATTR_ACCESSED);
  if (cpu.abort !== ABORT_NONE) return;

  // Nothing faults from here on.
  if (stackAt < 0) moveStackPointer(r, drop);
  r[VCPU_CPL] = cpl;
  enterCode(cpu, selector, cpl, size === 2 ? lo & 0xffff : lo, hi);
  if (stackAt >= 0) {
    if (isNull(stackSelector)) setNullSegment(r, SS, stackSelector, cpl);
    else {
      const a = stackDescriptorLo;
      const b = stackDescriptorHi;
      setSegment(r, SS, stackSelector, attributesOf(b), limitOf(a, b), baseOf(a, b), 0);
    }
    const big = stackWidth(r) !== 2;
    r[RSP] = big ? stackLo : (r[RSP] & ~0xffff) | (stackLo & 0xffff);
    r[RSP + 1] = stackHi;
    if (release !== 0) moveStackPointer(r, release);
  }
  if (cpl > oldCpl) for (let i = 0; i < OUTER_SEGMENTS.length; i++) dropInnerSegment(r, OUTER_SEGMENTS[i], cpl);
  if (withFlags !== 0) restoreFlags(cpu, flags, size, oldCpl);
}

const OUTER_SEGMENTS: readonly number[] = [ES, DS, FS, GS];

/** A data segment that the outer level may not use becomes null (SDM vol 2, "RET", Operation). */
function dropInnerSegment(r: Int32Array, segment: number, cpl: number): void {
  const attributes = r[segmentWords(segment) + SEG_ATTRIBUTES];
  if ((attributes & SEG_UNUSABLE) !== 0 || dplOf(attributes) >= cpl) return;
  if (isData(attributes) || !isConforming(attributes)) setNullSegment(r, segment, 0, 0);
}

function checkReturnSegment(cpu: Cpu, selector: number): boolean {
  const r = cpu.r;
  if (isNull(selector)) {
    raiseGp(cpu, 0);
    return false;
  }
  if (!fetchDescriptor(cpu, selector, VECTOR_GP, 0)) return false;
  const attributes = attributesOf(r[DESCRIPTOR + 1]);
  const error = selector & 0xfffc;
  const rpl = selector & 3;
  const dpl = dplOf(attributes);
  if (!isCode(attributes) || rpl < r[VCPU_CPL]) raiseGp(cpu, error);
  else if (isConforming(attributes) ? dpl > rpl : dpl !== rpl) raiseGp(cpu, error);
  else if (isLongMode(r) && (attributes & (ATTR_LONG | ATTR_BIG)) === (ATTR_LONG | ATTR_BIG)) raiseGp(cpu, error);
  else if ((attributes & ATTR_PRESENT) === 0) raiseException(cpu, VECTOR_NP, true, error);
  return cpu.abort === ABORT_NONE;
}

/** What IRET may change depends on the privilege it was executed at. */
function restoreFlags(cpu: Cpu, flags: number, size: number, cpl: number): void {
  const old = cpu.rflags();
  let mask = ARITHMETIC | TF | DF | NT;
  if (size !== 2) mask |= RF | AC | ID;
  if (cpl <= (old & IOPL) >> 12) mask |= IF;
  if (cpl === 0) mask |= IOPL;
  cpu.setRflags((old & ~mask) | (flags & mask) | 2);
  cpu.successor = 0;
}
