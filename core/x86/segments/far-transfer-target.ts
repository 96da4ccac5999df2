/** The end of every far transfer: the offset against the code segment, then CS:RIP. */
import { CS, SEG_BASE, SEG_SELECTOR, VCPU_CR0, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp } from '../interrupts/exceptions.ts';
import { ABORT_NONE } from '../system/exits.ts';
import { CR0_PE } from '../paging/paging-entry.ts';
import { isCanonical } from '../memory/linear-address.ts';
import { withinLimit } from './segments.ts';
import {
  ATTR_ACCESSED,
  ATTR_LONG,
  attributesOf,
  baseOf,
  isLongMode,
  limitOf,
  segmentWords,
  setDescriptorType,
  setSegment,
  updateCodeBits,
} from './segments-descriptor.ts';
import { DESCRIPTOR } from '../tlb/tlb-layout.ts';

export const isReal = (cpu: Cpu): boolean => (cpu.r[VCPU_CR0] & CR0_PE) === 0;

export function enterRealCode(cpu: Cpu, selector: number, offset: number): void {
  const r = cpu.r;
  const cs = segmentWords(CS);
  r[cs + SEG_SELECTOR] = selector;
  r[cs + SEG_BASE] = selector << 4;
  r[cs + SEG_BASE + 1] = 0;
  r[VCPU_RIP] = offset;
  r[VCPU_RIP + 1] = 0;
  updateCodeBits(cpu);
}

/** The offset must lie in the code segment of DESCRIPTOR, or be canonical in 64-bit code. */
export function checkOffset(cpu: Cpu, lo: number, hi: number): boolean {
  const r = cpu.r;
  const attributes = attributesOf(r[DESCRIPTOR + 1]);
  if (isLongMode(r) && (attributes & ATTR_LONG) !== 0) {
    if (isCanonical(hi)) return true;
  } else if (hi === 0 && withinLimit(attributes, limitOf(r[DESCRIPTOR], r[DESCRIPTOR + 1]), lo, 1)) return true;
  raiseGp(cpu, 0);
  return false;
}

/** CS:RIP from DESCRIPTOR. May still fault when the descriptor's A bit cannot be set, and then has changed nothing. */
export function enterCode(cpu: Cpu, selector: number, cpl: number, lo: number, hi: number): void {
  const r = cpu.r;
  setDescriptorType(cpu, selector, ATTR_ACCESSED);
  if (cpu.abort !== ABORT_NONE) return;
  const first = r[DESCRIPTOR];
  const second = r[DESCRIPTOR + 1];
  const attributes = attributesOf(second);
  setSegment(r, CS, (selector & 0xfffc) | cpl, attributes, limitOf(first, second), baseOf(first, second), 0);
  r[VCPU_RIP] = lo;
  r[VCPU_RIP + 1] = hi;
  updateCodeBits(cpu);
}
