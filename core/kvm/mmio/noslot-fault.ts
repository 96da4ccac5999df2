/**
 * A fault whose frame has been looked up in the memslots, before mmu_lock is taken: what is answered without mapping
 * anything (handle_abnormal_pfn of arch/x86/kvm/mmu.c, v3.11; kvm_handle_noslot_fault and __kvm_faultin_pfn of v6.8).
 *
 * This is also where a fault can be held in the race laboratory: it has read the old memslots and has not written its spte.
 */
import { ERA_V6_8 } from '../eras.ts';
import { KVM_MEMSLOT_INVALID } from '../memslots/limits.ts';
import { KVM_PFN_ERR_FAULT, KVM_PFN_ERR_RO_FAULT, KVM_PFN_NOSLOT, memslotFlags } from '../memslots/memslots.ts';
import { vcpuCacheMmioInfo } from './mmio-cache.ts';
import type { Mmu } from '../mmu/mmu.ts';

/**
 * What a page fault handler answers: go on in the guest, emulate the instruction, or a negative errno. RET_PF_* of later
 * kernels tell apart why the guest goes on; nobody but their counters does.
 */
export const FAULT_RESUME = 0;
export const FAULT_EMULATE = 1;
export const FAULT_EFAULT = -14;
/** Nothing yet: go on and map (or mark) it. */
export const FAULT_CONTINUE = 2;
/** RET_PF_FIXED: an entry has been made or changed. RET_PF_SPURIOUS: it was as it had to be. */
export const FAULT_FIXED = 3;
export const FAULT_SPURIOUS = 4;

/**
 * @param gvaLo what the MMIO cache is to remember as the linear address: 0 with direct mapping in two dimensions
 * @param slot of the frame, or negative
 * @param pfn as slotGfnToPfn gave it
 * @param access ACC_* of the guest's mapping
 */
export function answerLookup(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  gvaLo: number,
  gvaHi: number,
  gfn: number,
  slot: number,
  pfn: number,
  access: number,
): number {
  // A write to a read-only slot is emulated and leaves no MMIO spte, so that reads still reach RAM.
  if (pfn === KVM_PFN_ERR_RO_FAULT) return FAULT_EMULATE;
  if (pfn === KVM_PFN_ERR_FAULT) return FAULT_EFAULT;
  if (pfn === KVM_PFN_NOSLOT) {
    if (mmu.era === ERA_V6_8) {
      // A slot on its way out is no MMIO: the guest tries again until the update is through.
      if (slot >= 0 && (memslotFlags(mmu.arena, slot) & KVM_MEMSLOT_INVALID) !== 0) return FAULT_RESUME;
      vcpuCacheMmioInfo(mmu, r, gvaLo, gvaHi, gfn, access & mmu.mmio.accessMask);
      if (!mmu.mmio.caching) return FAULT_EMULATE;
    } else vcpuCacheMmioInfo(mmu, r, gvaLo, gvaHi, gfn, access);
  }
  mmu.hooks.onMemslotLookup?.(vcpuId, gfn, pfn);
  return FAULT_CONTINUE;
}
