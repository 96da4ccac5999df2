/**
 * An event through its IDT entry: real-mode vectors, 32-bit gates and 64-bit gates (SDM vol 3A, "Exception- or
 * Interrupt-Handler Procedures" and "Exception and Interrupt Handling in 64-bit Mode").
 *
 * Registers change only when nothing can fault any more, so a delivery that is cut short by a fault or a VM exit can be made
 * again.
 */
import {
  CS,
  SEG_BASE,
  SEG_SELECTOR,
  SS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_IDTR_LIMIT,
  VCPU_RIP,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, raiseGp, VECTOR_TS } from './exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import {
  checkGate,
  checkHandlerSegment,
  enterHandlerFlags,
  extOf,
  loadGateWord,
  loadTaskState,
  pushedFlags,
} from './interrupts-event.ts';
import { deliver64 } from './interrupts-gate-64bit.ts';
import { CR0_PE } from '../paging/paging-entry.ts';
import { checkStackDescriptor, withinLimit } from '../segments/segments.ts';
import {
  ATTR_ACCESSED,
  ATTR_BIG,
  attributesOf,
  baseOf,
  dplOf,
  isConforming,
  isLongMode,
  isNull,
  limitOf,
  segmentWords,
  setDescriptorType,
  setSegment,
  updateCodeBits,
} from '../segments/segments-descriptor.ts';
import { taskIs16Bit } from '../segments/segments-system.ts';
import { moveStackPointer, RSP, storeOnNewStack, storeStack } from '../segments/system-stack.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

const TF = 0x100;
const IF = 0x200;
const RF = 0x1_0000;
const AC = 0x4_0000;

export function deliverThroughGate(cpu: Cpu, vector: number, kind: number, hasError: boolean, errorCode: number): void {
  const r = cpu.r;
  cpu.successor = 0;
  if ((r[VCPU_CR0] & CR0_PE) === 0) deliverReal(cpu, vector, kind);
  else if (isLongMode(r)) deliver64(cpu, vector, kind, hasError, errorCode);
  else deliver32(cpu, vector, kind, hasError, errorCode);
}

/** Real mode: a table of far pointers, 16-bit frames, no error codes (SDM vol 3B, "Real-Address Mode Operation"). */
function deliverReal(cpu: Cpu, vector: number, kind: number): void {
  const r = cpu.r;
  if (vector * 4 + 3 > r[VCPU_IDTR_LIMIT]) return raiseGp(cpu, 0);
  const entry = loadGateWord(cpu, vector * 4);
  if (cpu.abort !== ABORT_NONE) return;
  storeStack(cpu, -2, 2, pushedFlags(cpu, vector, kind), 0);
  if (cpu.abort !== ABORT_NONE) return;
  storeStack(cpu, -4, 2, r[segmentWords(CS) + SEG_SELECTOR], 0);
  if (cpu.abort !== ABORT_NONE) return;
  storeStack(cpu, -6, 2, r[VCPU_RIP], 0);
  if (cpu.abort !== ABORT_NONE) return;
  moveStackPointer(r, -6);
  const cs = segmentWords(CS);
  r[cs + SEG_SELECTOR] = entry >>> 16;
  r[cs + SEG_BASE] = (entry >>> 16) << 4;
  r[cs + SEG_BASE + 1] = 0;
  r[VCPU_RIP] = entry & 0xffff;
  r[VCPU_RIP + 1] = 0;
  cpu.setRflags(cpu.rflags() & ~(IF | TF | AC | RF));
}

function deliver32(cpu: Cpu, vector: number, kind: number, hasError: boolean, errorCode: number): void {
  const r = cpu.r;
  const ext = extOf(kind);
  if (vector * 8 + 7 > r[VCPU_IDTR_LIMIT]) return raiseGp(cpu, (vector << 3) | 2 | ext);
  const gateLo = loadGateWord(cpu, vector * 8);
  if (cpu.abort !== ABORT_NONE) return;
  const gateHi = loadGateWord(cpu, vector * 8 + 4);
  if (cpu.abort !== ABORT_NONE || !checkGate(cpu, gateHi, kind, vector, false)) return;
  const selector = gateLo >>> 16;
  if (!checkHandlerSegment(cpu, selector, ext)) return;
  setDescriptorType(cpu, selector, ATTR_ACCESSED);
  if (cpu.abort !== ABORT_NONE) return;
  const codeLo = r[DESCRIPTOR];
  const codeHi = r[DESCRIPTOR + 1];
  const attributes = attributesOf(codeHi);
  const wide = (gateHi & 0x800) !== 0;
  const size = wide ? 4 : 2;
  const target = (gateLo & 0xffff) | (wide ? gateHi & 0xffff_0000 : 0);
  if (!withinLimit(attributes, limitOf(codeLo, codeHi), target, 1)) return raiseGp(cpu, ext);
  const cpl = isConforming(attributes) ? r[VCPU_CPL] : dplOf(attributes);
  const flags = pushedFlags(cpu, vector, kind);
  const cs = r[segmentWords(CS) + SEG_SELECTOR];

  if (cpl < r[VCPU_CPL]) {
    if (!enterInnerStack(cpu, cpl, size, ext, flags, cs, hasError, errorCode)) return;
  } else {
    // Same privilege: the frame goes on the current stack.
    storeStack(cpu, -size, size, flags, 0);
    if (cpu.abort === ABORT_NONE) storeStack(cpu, -2 * size, size, cs, 0);
    if (cpu.abort === ABORT_NONE) storeStack(cpu, -3 * size, size, r[VCPU_RIP], 0);
    if (cpu.abort === ABORT_NONE && hasError) storeStack(cpu, -4 * size, size, errorCode, 0);
    if (cpu.abort !== ABORT_NONE) return;
    moveStackPointer(r, (hasError ? -4 : -3) * size);
  }
  setSegment(
    r,
    CS,
    (selector & 0xfffc) | cpl,
    attributes | ATTR_ACCESSED,
    limitOf(codeLo, codeHi),
    baseOf(codeLo, codeHi),
    0,
  );
  r[VCPU_CPL] = cpl;
  r[VCPU_RIP] = target;
  r[VCPU_RIP + 1] = 0;
  enterHandlerFlags(cpu, (gateHi & 0x100) === 0);
  updateCodeBits(cpu);
}

/** More privilege: SS:ESP come from the TSS, and the old ones go on the new stack first. */
function enterInnerStack(
  cpu: Cpu,
  cpl: number,
  size: number,
  ext: number,
  flags: number,
  cs: number,
  hasError: boolean,
  errorCode: number,
): boolean {
  const r = cpu.r;
  const narrow = taskIs16Bit(r);
  const pointer = loadTaskState(cpu, narrow ? 2 + 4 * cpl : 4 + 8 * cpl, narrow ? 2 : 4, ext);
  if (cpu.abort !== ABORT_NONE) return false;
  const selector = loadTaskState(cpu, narrow ? 4 + 4 * cpl : 8 + 8 * cpl, 2, ext);
  if (cpu.abort !== ABORT_NONE) return false;
  if (isNull(selector)) {
    raiseException(cpu, VECTOR_TS, true, ext);
    return false;
  }
  if (!checkStackDescriptor(cpu, selector, cpl, VECTOR_TS, ext)) return false;
  setDescriptorType(cpu, selector, ATTR_ACCESSED);
  if (cpu.abort !== ABORT_NONE) return false;
  const lo = r[DESCRIPTOR];
  const hi = r[DESCRIPTOR + 1];
  const attributes = attributesOf(hi);
  const limit = limitOf(lo, hi);
  const base = baseOf(lo, hi);
  const error = (selector & 0xfffc) | ext;
  const words = hasError ? 6 : 5;
  for (let i = 1; i <= words; i++) {
    const value = frameWord(r, i, flags, cs, errorCode);
    storeOnNewStack(cpu, cpl, attributes, limit, base, (pointer - i * size) | 0, size, value, error);
    if (cpu.abort !== ABORT_NONE) return false;
  }
  setSegment(r, SS, selector, attributes, limit, base, 0);
  const moved = (pointer - words * size) | 0;
  r[RSP] = (attributes & ATTR_BIG) !== 0 ? moved : (r[RSP] & ~0xffff) | (moved & 0xffff);
  r[RSP + 1] = 0;
  return true;
}

/** The n-th word that is pushed when the stack changes: SS, ESP, EFLAGS, CS, EIP, error code. */
function frameWord(r: Int32Array, n: number, flags: number, cs: number, errorCode: number): number {
  switch (n) {
    case 1:
      return r[segmentWords(SS) + SEG_SELECTOR];
    case 2:
      return r[RSP];
    case 3:
      return flags;
    case 4:
      return cs;
    case 5:
      return r[VCPU_RIP];
    default:
      return errorCode;
  }
}
