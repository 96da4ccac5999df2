/**
 * What is counted of a page fault. Until 5.16 pf_fixed alone, where a leaf was set; since 5.17 (commit 1075d41efd80, as far as
 * v6.8 still has it in kvm_mmu_do_page_fault of mmu_internal.h) every fault, by what came of it.
 */
import { ERA_V6_8 } from '../eras.ts';
import { FAULT_EMULATE, FAULT_FIXED, FAULT_RESUME, FAULT_SPURIOUS } from '../mmio/noslot-fault.ts';
import { vcpuCounterWord } from '../trace/stats.ts';
import type { Mmu } from './mmu.ts';

/** v3.11: a leaf has been set, whatever it has become; behind FNAME(fetch) even when nothing was. */
export function countLeafSet(mmu: Mmu, vcpuId: number): void {
  if (mmu.era !== ERA_V6_8) mmu.f64[vcpuCounterWord(mmu.arena, vcpuId, 'pf_fixed')] += 1;
}

/**
 * v6.8: a fault that was no MMIO known already has been handled.
 * @param answer FAULT_*, or a negative errno
 * @returns the same, in the words of callers to whom a fault that was fixed is one to go on from
 */
export function countPageFault(mmu: Mmu, vcpuId: number, answer: number): number {
  const resumes = answer === FAULT_FIXED || answer === FAULT_SPURIOUS;
  if (mmu.era === ERA_V6_8) {
    const { arena, f64 } = mmu;
    f64[vcpuCounterWord(arena, vcpuId, 'pf_taken')] += 1;
    if (answer === FAULT_FIXED) f64[vcpuCounterWord(arena, vcpuId, 'pf_fixed')] += 1;
    else if (answer === FAULT_EMULATE) f64[vcpuCounterWord(arena, vcpuId, 'pf_emulate')] += 1;
    else if (answer === FAULT_SPURIOUS) f64[vcpuCounterWord(arena, vcpuId, 'pf_spurious')] += 1;
  }
  return resumes ? FAULT_RESUME : answer;
}
