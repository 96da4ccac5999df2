/** Linear addresses as halves: which are canonical, and where one page ends and the next begins. */
import { VCPU_EFER } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseNonCanonical } from '../interrupts/exceptions.ts';
import { EFER_LMA } from '../paging/paging-entry.ts';

/** 48-bit linear addresses: bits 63 … 47 are equal. */
export function isCanonical(hi: number): boolean {
  return (hi << 16) >> 16 === hi;
}

/** Canonical, where that counts. Otherwise raises what a non-canonical address raises. */
export function requireCanonical(cpu: Cpu, hi: number): boolean {
  if ((cpu.r[VCPU_EFER] & EFER_LMA) === 0 || isCanonical(hi)) return true;
  raiseNonCanonical(cpu);
  return false;
}

/**
 * High half of the address where the next page begins, whose low half is `nextLo`. Outside 64-bit code linear addresses wrap at 4 GiB.
 */
export const nextPageHigh = (codeBits: number, nextLo: number, hi: number): number =>
  nextLo === 0 && codeBits === 64 ? (hi + 1) | 0 : hi;
