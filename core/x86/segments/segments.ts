/** Loading segment registers and checking accesses through them (SDM vol 3A, "Protection"). */
import {
  CS,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEG_UNUSABLE,
  SS,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_INTERRUPT_SHADOW,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, raiseGp, raiseUd, VECTOR_GP, VECTOR_NP, VECTOR_SS } from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { CR0_PE } from '../paging/paging-entry.ts';
import {
  ATTR_ACCESSED,
  ATTR_BIG,
  ATTR_CODE,
  ATTR_CONFORMING,
  ATTR_PRESENT,
  ATTR_S,
  ATTR_WRITABLE,
  attributesOf,
  dplOf,
  fetchDescriptor,
  isConforming,
  isData,
  isNull,
  isWritableData,
  segmentWords,
  setDescriptorType,
  setNullSegment,
  setSegmentFromDescriptor,
} from './segments-descriptor.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

export {
  loadAccessRights,
  loadDescriptorTable,
  loadLdtr,
  loadSegmentLimit,
  loadTaskRegister,
  readSegmentBase,
  storeDescriptorTable,
  storeSystemSelector,
  swapGs,
  verifySegment,
  writeSegmentBase,
} from './segments-system.ts';

const SHADOW_BY_MOV_SS = 2;

/** MOV Sreg, POP Sreg, LDS…: ES, SS, DS, FS or GS (CS is #UD). Starts the interrupt shadow of MOV SS. */
export function loadSegment(cpu: Cpu, segment: number, selector: number): void {
  const r = cpu.r;
  selector &= 0xffff;
  if (segment === CS) return raiseUd(cpu);
  if ((r[VCPU_CR0] & CR0_PE) === 0) {
    const s = segmentWords(segment);
    r[s + SEG_SELECTOR] = selector;
    r[s + SEG_BASE] = selector << 4;
    r[s + SEG_BASE + 1] = 0;
  } else if (segment === SS) loadStackSegment(cpu, selector);
  else loadDataSegment(cpu, segment, selector);
  if (segment === SS && cpu.abort === ABORT_NONE) {
    r[VCPU_INTERRUPT_SHADOW] = SHADOW_BY_MOV_SS;
    cpu.successor = 0;
  }
}

function loadStackSegment(cpu: Cpu, selector: number): void {
  const r = cpu.r;
  const cpl = r[VCPU_CPL];
  if (isNull(selector)) {
    if (r[VCPU_CODE_BITS] !== 64 || cpl === 3 || (selector & 3) !== cpl) return raiseGp(cpu, 0);
    return setNullSegment(r, SS, selector, cpl);
  }
  if (!checkStackDescriptor(cpu, selector, cpl, VECTOR_GP, 0)) return;
  setDescriptorType(cpu, selector, ATTR_ACCESSED);
  if (cpu.abort === ABORT_NONE) setSegmentFromDescriptor(r, SS, selector);
}

/**
 * Fetches the descriptor of a stack segment for `cpl` into DESCRIPTOR and checks it; `vector` is what a bad one raises (a
 * missing one is #SS).
 */
export function checkStackDescriptor(cpu: Cpu, selector: number, cpl: number, vector: number, ext: number): boolean {
  if (!fetchDescriptor(cpu, selector, vector, ext)) return false;
  const attributes = attributesOf(cpu.r[DESCRIPTOR + 1]);
  const error = (selector & 0xfffc) | ext;
  if ((selector & 3) !== cpl || !isWritableData(attributes) || dplOf(attributes) !== cpl) {
    raiseException(cpu, vector, true, error);
    return false;
  }
  if ((attributes & ATTR_PRESENT) === 0) {
    raiseException(cpu, VECTOR_SS, true, error);
    return false;
  }
  return true;
}

function loadDataSegment(cpu: Cpu, segment: number, selector: number): void {
  const r = cpu.r;
  if (isNull(selector)) return setNullSegment(r, segment, selector, 0);
  if (!fetchDescriptor(cpu, selector, VECTOR_GP, 0)) return;
  const attributes = attributesOf(r[DESCRIPTOR + 1]);
  const error = selector & 0xfffc;
  const readable = isData(attributes) || (attributes & (ATTR_S | ATTR_CODE | ATTR_WRITABLE)) === 0x1a;
  if (!readable) return raiseGp(cpu, error);
  if (isData(attributes) || !isConforming(attributes)) {
    const dpl = dplOf(attributes);
    if ((selector & 3) > dpl || r[VCPU_CPL] > dpl) return raiseGp(cpu, error);
  }
  if ((attributes & ATTR_PRESENT) === 0) return raiseException(cpu, VECTOR_NP, true, error);
  setDescriptorType(cpu, selector, ATTR_ACCESSED);
  if (cpu.abort === ABORT_NONE) setSegmentFromDescriptor(r, segment, selector);
}

/** Limit, type and presence outside 64-bit mode: #GP(0) or, for SS, #SS(0). `offset` is the effective address. */
export function checkSegment(cpu: Cpu, segment: number, offset: number, size: number, write: boolean): void {
  if (!segmentAllows(cpu.r, segment, offset, size, write)) {
    raiseException(cpu, segment === SS ? VECTOR_SS : VECTOR_GP, true, 0);
  }
}

export function segmentAllows(r: Int32Array, segment: number, offset: number, size: number, write: boolean): boolean {
  const s = segmentWords(segment);
  const attributes = r[s + SEG_ATTRIBUTES];
  if ((attributes & SEG_UNUSABLE) !== 0) return false;
  if ((r[VCPU_CR0] & CR0_PE) !== 0) {
    if ((attributes & ATTR_CODE) !== 0) {
      if (write || (attributes & ATTR_WRITABLE) === 0) return false;
    } else if (write && (attributes & ATTR_WRITABLE) === 0) return false;
  }
  return withinLimit(attributes, r[s + SEG_LIMIT], offset, size);
}

/** Whether bytes offset … offset + size − 1 lie in a segment (SDM vol 3A, "Limit Checking"). */
export function withinLimit(attributes: number, limit: number, offset: number, size: number): boolean {
  const first = offset >>> 0;
  const last = first + size - 1;
  if ((attributes & (ATTR_CODE | ATTR_CONFORMING)) === ATTR_CONFORMING) {
    return first > limit >>> 0 && last <= ((attributes & ATTR_BIG) !== 0 ? 0xffff_ffff : 0xffff);
  }
  return last <= limit >>> 0;
}
