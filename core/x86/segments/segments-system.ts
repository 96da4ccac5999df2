/** Instructions on descriptor tables, system segments and segment bases. Privilege checks are made here. */
import {
  FS,
  GS,
  LDTR,
  SEG_ATTRIBUTES,
  SEG_BASE,
  SEG_SELECTOR,
  TR,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR4,
  VCPU_GDTR_BASE,
  VCPU_GDTR_LIMIT,
  VCPU_IDTR_LIMIT,
  VCPU_MSR_KERNEL_GS_BASE,
} from '../../arena/vcpu-layout.ts';
import { UmbraBug } from '../../base/assert.ts';
import type { Cpu } from '../cpu.ts';
import { raiseException, raiseGp, raiseUd, VECTOR_GP, VECTOR_NP } from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { load16, load32, load64, probeWriteAccess, store16, store32, store64 } from '../memory/memory-access.ts';
import { CR0_PE, CR4_FSGSBASE } from '../paging/paging-entry.ts';
import { isCanonical } from '../memory/linear-address.ts';
import {
  ATTR_PRESENT,
  ATTR_S,
  attributesOf,
  baseOf,
  dplOf,
  fetchDescriptor,
  fetchUpperBase,
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
  tryFetchDescriptor,
} from './segments-descriptor.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

// System descriptor types (SDM vol 3A, table "System-Segment and Gate-Descriptor Types").
const TYPE_TSS_16 = 1;
const TYPE_LDT = 2;
const TYPE_TSS = 9;
const BUSY = 2;
/** Bit t: LAR (LSL) accepts system type t in legacy mode, and in long mode. */
const LAR_LEGACY = 0b0001_1010_0011_1110;
const LAR_LONG = 0b0001_1010_0000_0100;
const LSL_LEGACY = 0b0000_1010_0000_1110;
const LSL_LONG = 0b0000_1010_0000_0100;

const protectedMode = (cpu: Cpu): boolean => (cpu.r[VCPU_CR0] & CR0_PE) !== 0;

/** Fetches a system descriptor of the GDT for LLDT and LTR and checks its type and presence. */
function fetchSystemSegment(cpu: Cpu, selector: number, type: number, other: number): boolean {
  const error = selector & 0xfffc;
  if ((selector & 4) !== 0) {
    raiseGp(cpu, error);
    return false;
  }
  if (!fetchDescriptor(cpu, selector, VECTOR_GP, 0)) return false;
  const attributes = attributesOf(cpu.r[DESCRIPTOR + 1]);
  const kind = attributes & 0x1f;
  if (kind !== type && kind !== other) {
    raiseGp(cpu, error);
    return false;
  }
  if ((attributes & ATTR_PRESENT) === 0) {
    raiseException(cpu, VECTOR_NP, true, error);
    return false;
  }
  cpu.r[DESCRIPTOR + 2] = 0;
  if (!isLongMode(cpu.r)) return true;
  if (!fetchUpperBase(cpu, selector, VECTOR_GP)) return false;
  if (isCanonical(cpu.r[DESCRIPTOR + 2])) return true;
  raiseGp(cpu, error);
  return false;
}

function setSystemSegment(r: Int32Array, segment: number, selector: number): void {
  const lo = r[DESCRIPTOR];
  const hi = r[DESCRIPTOR + 1];
  setSegment(r, segment, selector, attributesOf(hi), limitOf(lo, hi), baseOf(lo, hi), r[DESCRIPTOR + 2]);
}

/** LLDT. */
export function loadLdtr(cpu: Cpu, selector: number): void {
  const r = cpu.r;
  selector &= 0xffff;
  if (!protectedMode(cpu)) return raiseUd(cpu);
  if (r[VCPU_CPL] !== 0) return raiseGp(cpu, 0);
  if (isNull(selector)) return setNullSegment(r, LDTR, selector, 0);
  if (fetchSystemSegment(cpu, selector, TYPE_LDT, TYPE_LDT)) setSystemSegment(r, LDTR, selector);
}

/** LTR. The TSS becomes busy, in the register and in the table. */
export function loadTaskRegister(cpu: Cpu, selector: number): void {
  const r = cpu.r;
  selector &= 0xffff;
  if (!protectedMode(cpu)) return raiseUd(cpu);
  if (r[VCPU_CPL] !== 0 || isNull(selector)) return raiseGp(cpu, 0);
  if (!fetchSystemSegment(cpu, selector, TYPE_TSS, isLongMode(r) ? TYPE_TSS : TYPE_TSS_16)) return;
  setDescriptorType(cpu, selector, BUSY);
  if (cpu.abort === ABORT_NONE) setSystemSegment(r, TR, selector);
}

/** SLDT and STR (`segment` LDTR or TR): the selector. UMIP is not offered, so any CPL may. */
export function storeSystemSelector(cpu: Cpu, segment: number): number {
  if (!protectedMode(cpu)) raiseUd(cpu);
  return cpu.r[segmentWords(segment) + SEG_SELECTOR] & 0xffff;
}

/** Whether LAR or LSL may look at DESCRIPTOR. */
function visible(cpu: Cpu, selector: number, legacy: number, long: number): boolean {
  const r = cpu.r;
  const attributes = attributesOf(r[DESCRIPTOR + 1]);
  if ((attributes & ATTR_S) === 0) {
    if ((((isLongMode(r) ? long : legacy) >> (attributes & 0xf)) & 1) === 0) return false;
  } else if (isCode(attributes) && isConforming(attributes)) return true;
  const dpl = dplOf(attributes);
  return dpl >= r[VCPU_CPL] && dpl >= (selector & 3);
}

/** LAR: the access rights (32 bits), or −1 when the selector is not accessible (ZF = 0). */
export function loadAccessRights(cpu: Cpu, selector: number): number {
  if (!protectedMode(cpu)) raiseUd(cpu);
  if (cpu.abort !== ABORT_NONE || isNull(selector) || !tryFetchDescriptor(cpu, selector)) return -1;
  return visible(cpu, selector, LAR_LEGACY, LAR_LONG) ? cpu.r[DESCRIPTOR + 1] & 0xf0_ff00 : -1;
}

/** LSL: the scaled limit (0 … 2^32 − 1), or −1 when the selector is not accessible (ZF = 0). */
export function loadSegmentLimit(cpu: Cpu, selector: number): number {
  if (!protectedMode(cpu)) raiseUd(cpu);
  if (cpu.abort !== ABORT_NONE || isNull(selector) || !tryFetchDescriptor(cpu, selector)) return -1;
  if (!visible(cpu, selector, LSL_LEGACY, LSL_LONG)) return -1;
  return limitOf(cpu.r[DESCRIPTOR], cpu.r[DESCRIPTOR + 1]) >>> 0;
}

/** VERR, VERW: the new ZF. */
export function verifySegment(cpu: Cpu, selector: number, write: boolean): boolean {
  if (!protectedMode(cpu)) raiseUd(cpu);
  if (cpu.abort !== ABORT_NONE || isNull(selector) || !tryFetchDescriptor(cpu, selector)) return false;
  const attributes = attributesOf(cpu.r[DESCRIPTOR + 1]);
  const readWrite = (attributes & 2) !== 0; // code: readable; data: writable
  if (!isData(attributes) && !(isCode(attributes) && readWrite && !write)) return false;
  if (write && !readWrite) return false;
  if (isCode(attributes) && isConforming(attributes)) return true;
  const dpl = dplOf(attributes);
  return dpl >= cpu.r[VCPU_CPL] && dpl >= (selector & 3);
}

/** Halves of lo + add. */
const highAfter = (cpu: Cpu, lo: number, hi: number, add: number): number =>
  cpu.r[VCPU_CODE_BITS] === 64 && (lo + add) >>> 0 < lo >>> 0 ? (hi + 1) | 0 : hi;

/** LGDT (VCPU_GDTR_BASE) and LIDT (VCPU_IDTR_BASE) from memory at a linear address; `size` is the operand size. */
export function loadDescriptorTable(cpu: Cpu, table: number, lo: number, hi: number, size: number): void {
  const r = cpu.r;
  if (protectedMode(cpu) && r[VCPU_CPL] !== 0) return raiseGp(cpu, 0);
  const limit = load16(cpu, lo, hi);
  if (cpu.abort !== ABORT_NONE) return;
  const at = (lo + 2) | 0;
  const atHi = highAfter(cpu, lo, hi, 2);
  const long = r[VCPU_CODE_BITS] === 64;
  let base = long ? load64(cpu, at, atHi) : load32(cpu, at, atHi);
  if (cpu.abort !== ABORT_NONE) return;
  const baseHi = long ? cpu.hi : 0;
  if (!long && size === 2) base &= 0xff_ffff;
  if (long && !isCanonical(baseHi)) return raiseGp(cpu, 0);
  r[table] = base;
  r[table + 1] = baseHi;
  r[table === VCPU_GDTR_BASE ? VCPU_GDTR_LIMIT : VCPU_IDTR_LIMIT] = limit;
}

/** SGDT, SIDT: 2 + 8 bytes in 64-bit mode, else 2 + 4. */
export function storeDescriptorTable(cpu: Cpu, table: number, lo: number, hi: number): void {
  const r = cpu.r;
  const limit = r[table === VCPU_GDTR_BASE ? VCPU_GDTR_LIMIT : VCPU_IDTR_LIMIT];
  const long = r[VCPU_CODE_BITS] === 64;
  const at = (lo + 2) | 0;
  const atHi = highAfter(cpu, lo, hi, 2);
  probeWriteAccess(cpu, at, atHi, long ? 8 : 4);
  if (cpu.abort !== ABORT_NONE) return;
  store16(cpu, lo, hi, limit);
  if (cpu.abort !== ABORT_NONE) return;
  if (long) store64(cpu, at, atHi, r[table], r[table + 1]);
  else store32(cpu, at, atHi, r[table]);
}

export function swapGs(cpu: Cpu): void {
  const r = cpu.r;
  if (r[VCPU_CODE_BITS] !== 64) return raiseUd(cpu);
  if (r[VCPU_CPL] !== 0) return raiseGp(cpu, 0);
  const gs = segmentWords(GS) + SEG_BASE;
  for (let half = 0; half < 2; half++) {
    const base = r[gs + half];
    r[gs + half] = r[VCPU_MSR_KERNEL_GS_BASE + half];
    r[VCPU_MSR_KERNEL_GS_BASE + half] = base;
  }
}

function segmentBaseAllowed(cpu: Cpu, segment: number): boolean {
  if (segment !== FS && segment !== GS) throw new UmbraBug('RDFSBASE and the like know FS and GS only');
  if (cpu.r[VCPU_CODE_BITS] === 64 && (cpu.r[VCPU_CR4] & CR4_FSGSBASE) !== 0) return true;
  raiseUd(cpu);
  return false;
}

/** RDFSBASE, RDGSBASE (`segment` FS or GS): low half returned, high half in `cpu.hi`; #UD without CR4.FSGSBASE. */
export function readSegmentBase(cpu: Cpu, segment: number): number {
  if (!segmentBaseAllowed(cpu, segment)) return 0;
  const base = segmentWords(segment) + SEG_BASE;
  cpu.hi = cpu.r[base + 1];
  return cpu.r[base];
}

/** WRFSBASE, WRGSBASE. */
export function writeSegmentBase(cpu: Cpu, segment: number, lo: number, hi: number): void {
  if (!segmentBaseAllowed(cpu, segment)) return;
  if (!isCanonical(hi)) return raiseGp(cpu, 0);
  const base = segmentWords(segment) + SEG_BASE;
  cpu.r[base] = lo;
  cpu.r[base + 1] = hi;
}

/** Type of the current TSS: 16- or 32/64-bit. */
export const taskIs16Bit = (r: Int32Array): boolean => (r[segmentWords(TR) + SEG_ATTRIBUTES] & 0xd) === TYPE_TSS_16;
