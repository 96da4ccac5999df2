/** Segment descriptors: fetching one, and what its two halves say (SDM vol 3A, "Segment Descriptors"). */
import {
  CS,
  LDTR,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SELECTOR,
  SEG_UNUSABLE,
  SEGMENT_WORDS,
  VCPU_CODE_BITS,
  VCPU_EFER,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_SEGMENTS,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException } from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { EFER_LMA } from '../paging/paging-entry.ts';
import { systemLoad, systemStore } from '../memory/system-access.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

/** Attribute bits, as in SEG_ATTRIBUTES. */
export const ATTR_ACCESSED = 0x1;
/** Data: writable; code: readable. */
export const ATTR_WRITABLE = 0x2;
/** Data: expand-down; code: conforming. */
export const ATTR_CONFORMING = 0x4;
export const ATTR_CODE = 0x8;
/** Code or data, as opposed to a system segment or gate. */
export const ATTR_S = 0x10;
export const ATTR_PRESENT = 0x80;
export const ATTR_LONG = 0x2000;
export const ATTR_BIG = 0x4000;

/** Flat segments that SYSCALL, SYSENTER and their returns load without looking at a descriptor. */
export const FLAT_CODE_32 = 0xc09b;
export const FLAT_CODE_64 = 0xa09b;
export const FLAT_DATA = 0xc093;

export const segmentWords = (segment: number): number => VCPU_SEGMENTS + segment * SEGMENT_WORDS;
export const attributesOf = (hi: number): number => (hi >>> 8) & 0xf0ff;
export const dplOf = (attributes: number): number => (attributes >> 5) & 3;
export const baseOf = (lo: number, hi: number): number => (lo >>> 16) | ((hi & 0xff) << 16) | (hi & 0xff00_0000);
/** In bytes, as int32. */
export function limitOf(lo: number, hi: number): number {
  const limit = (lo & 0xffff) | (hi & 0xf_0000);
  return (hi & 0x80_0000) !== 0 ? (limit << 12) | 0xfff : limit;
}
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
export const isData = (attributes: number): boolean => (attributes & (ATTR_S | ATTR_CODE)) === ATTR_S;
export const isCode = (attributes: number): boolean => (attributes & (ATTR_S | ATTR_CODE)) === (ATTR_S | ATTR_CODE);
export const isWritableData = (attributes: number): boolean => isData(attributes) && (attributes & ATTR_WRITABLE) !== 0;
export const isConforming = (attributes: number): boolean => (attributes & ATTR_CONFORMING) !== 0;
export const isLongMode = (r: Int32Array): boolean => (r[VCPU_EFER] & EFER_LMA) !== 0;

/** Whether the table that the selector names reaches to byte `last` of its entry. */
function tableReaches(r: Int32Array, selector: number, last: number): boolean {
  const end = (selector & 0xfff8) + last;
  if ((selector & 4) === 0) return end <= (r[VCPU_GDTR_LIMIT] & 0xffff);
  const ldt = segmentWords(LDTR);
  return (r[ldt + SEG_ATTRIBUTES] & SEG_UNUSABLE) === 0 && end <= r[ldt + SEG_LIMIT] >>> 0;
}

function loadTableWord(cpu: Cpu, selector: number, offset: number): number {
  const r = cpu.r;
  const base = (selector & 4) === 0 ? VCPU_GDTR_BASE : segmentWords(LDTR) + SEG_BASE;
  const add = (selector & 0xfff8) + offset;
  const lo = (r[base] + add) | 0;
  const hi = isLongMode(r) ? (r[base + 1] + (lo >>> 0 < add ? 1 : 0)) | 0 : 0;
  return systemLoad(cpu, lo, hi, 4);
}

/** Fetches into DESCRIPTOR without raising anything but page faults: false when the table ends before. */
export function tryFetchDescriptor(cpu: Cpu, selector: number): boolean {
  const r = cpu.r;
  if (!tableReaches(r, selector, 7)) return false;
  const lo = loadTableWord(cpu, selector, 0);
  if (cpu.abort !== ABORT_NONE) return false;
  const hi = loadTableWord(cpu, selector, 4);
  if (cpu.abort !== ABORT_NONE) return false;
  r[DESCRIPTOR] = lo;
  r[DESCRIPTOR + 1] = hi;
  return true;
}

/**
 * Fetches into DESCRIPTOR. Beyond the table: `vector` with the selector as error code, `ext` (0 or 1) in its lowest bit.
 * False: `cpu.abort` is set.
 */
export function fetchDescriptor(cpu: Cpu, selector: number, vector: number, ext: number): boolean {
  if (tryFetchDescriptor(cpu, selector)) return true;
  if (cpu.abort === ABORT_NONE) raiseException(cpu, vector, true, (selector & 0xfffc) | ext);
  return false;
}

/** The second half of a 16-byte system descriptor (long mode): bits 64–95 into DESCRIPTOR + 2. False as above. */
export function fetchUpperBase(cpu: Cpu, selector: number, vector: number): boolean {
  const r = cpu.r;
  if (!tableReaches(r, selector, 15)) {
    raiseException(cpu, vector, true, selector & 0xfffc);
    return false;
  }
  const upper = loadTableWord(cpu, selector, 8);
  if (cpu.abort !== ABORT_NONE) return false;
  const zero = loadTableWord(cpu, selector, 12);
  if (cpu.abort !== ABORT_NONE) return false;
  if ((zero & 0x1f00) !== 0) {
    raiseException(cpu, vector, true, selector & 0xfffc);
    return false;
  }
  r[DESCRIPTOR + 2] = upper;
  return true;
}

/** Writes the type byte of a descriptor back with bits added: A of a segment, B of a TSS. */
export function setDescriptorType(cpu: Cpu, selector: number, bits: number): void {
  const r = cpu.r;
  if (((r[DESCRIPTOR + 1] >>> 8) & bits) === bits) return;
  const base = (selector & 4) === 0 ? VCPU_GDTR_BASE : segmentWords(LDTR) + SEG_BASE;
  const add = (selector & 0xfff8) + 5;
  const lo = (r[base] + add) | 0;
  const hi = isLongMode(r) ? (r[base + 1] + (lo >>> 0 < add ? 1 : 0)) | 0 : 0;
  r[DESCRIPTOR + 1] |= bits << 8;
  systemStore(cpu, lo, hi, 1, (r[DESCRIPTOR + 1] >>> 8) & 0xff, 0);
}

export function setSegment(
  r: Int32Array,
  segment: number,
  selector: number,
  attributes: number,
  limit: number,
  baseLo: number,
  baseHi: number,
): void {
  const s = segmentWords(segment);
  r[s + SEG_SELECTOR] = selector;
  r[s + SEG_ATTRIBUTES] = attributes;
  r[s + SEG_LIMIT] = limit;
  r[s + SEG_BASE] = baseLo;
  r[s + SEG_BASE + 1] = baseHi;
}

/** Loads a segment register from DESCRIPTOR. */
export function setSegmentFromDescriptor(r: Int32Array, segment: number, selector: number): void {
  const lo = r[DESCRIPTOR];
  const hi = r[DESCRIPTOR + 1];
  setSegment(r, segment, selector, attributesOf(hi), limitOf(lo, hi), baseOf(lo, hi), 0);
}

/** A null selector: unusable, base zero (what Intel, and AMD since Zen 2, do). DPL is kept for SS in 64-bit mode. */
export function setNullSegment(r: Int32Array, segment: number, selector: number, dpl: number): void {
  setSegment(r, segment, selector, SEG_UNUSABLE | (dpl << 5), 0, 0, 0);
}

/** Works VCPU_CODE_BITS out again, after CS, CR0.PG or EFER.LMA changed. */
export function updateCodeBits(cpu: Cpu): void {
  const r = cpu.r;
  const attributes = r[segmentWords(CS) + SEG_ATTRIBUTES];
  const long = isLongMode(r) && (attributes & ATTR_LONG) !== 0;
  r[VCPU_CODE_BITS] = long ? 64 : (attributes & ATTR_BIG) !== 0 ? 32 : 16;
  cpu.successor = 0;
}
