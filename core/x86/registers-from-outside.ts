/**
 * Registers that somebody writes from outside while the processor stands still, as a VMM writes guest state before an entry:
 * nothing is checked and nothing faults; what the processor keeps of them follows.
 */
import { SEG_ATTRIBUTES, SS, VCPU_CPL, VCPU_CR3, VCPU_CR4 } from '../arena/vcpu-layout.ts';
import type { Cpu } from './cpu.ts';
import { CR0_DEFINED, CR4_DEFINED } from './system/control-registers.ts';
import { EFER_DEFINED } from './system/msr.ts';
import { CR4_PAE } from './paging/paging-entry.ts';
import { loadPdptesAt } from './paging/paging-pdpte.ts';
import { dplOf, isLongMode, segmentWords, updateCodeBits } from './segments/segments-descriptor.ts';
import { flushTlb } from './tlb/tlb.ts';

/** The bits that this processor has; VM entry fails with any other of CR4 or EFER, and those of CR0 read as zero. */
export const PROCESSOR_BITS = { cr0: CR0_DEFINED, cr4: CR4_DEFINED, efer: EFER_DEFINED } as const;

/** Code size, CPL (SS.DPL) and every cached translation. */
export function settleRegisters(cpu: Cpu): void {
  cpu.r[VCPU_CPL] = dplOf(cpu.r[segmentWords(SS) + SEG_ATTRIBUTES]);
  updateCodeBits(cpu);
  flushTlb(cpu);
}

/**
 * load_pdptrs for a CR3 that was set from outside: of a table that is not there or holds reserved bits nothing is taken.
 * @param frameOf arena offset of a guest physical byte, −1 when it is no memory
 * @returns whether the registers hold PDPTEs at all in this mode
 */
export function reloadPdptes(cpu: Cpu, frameOf: (gpaLo: number, gpaHi: number) => number): boolean {
  const { r } = cpu;
  if (isLongMode(r) || (r[VCPU_CR4] & CR4_PAE) === 0) return false;
  const at = frameOf(r[VCPU_CR3] & ~0x1f, 0);
  if (at >= 0) loadPdptesAt(cpu, at);
  return true;
}
