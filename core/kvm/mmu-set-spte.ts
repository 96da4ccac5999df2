/**
 * set_spte and mmu_set_spte (arch/x86/kvm/mmu.c of v3.11): what a leaf becomes for a frame and an access, and putting it in
 * place of whatever stands there.
 */
import { markPageDirtyInSlot } from './dirty-log.ts';
import { countLargePage } from './mmio-bugs.ts';
import { setMmioSpte } from './mmio-spte.ts';
import { PT_PAGE_SIZE_MASK, PT_WRITABLE_MASK, SPTE_HOST_WRITEABLE, SPTE_MMU_WRITEABLE, type Mmu } from './mmu.ts';
import { dropSpte, isMmio, isShadowPresent, mmuSpteUpdate, rmapAdd, spteToPfn } from './mmu-spte.ts';
import { flushRemoteTlbs } from './requests.ts';
import { rmapRecycle } from './rmap.ts';
import { ACC_ALL, ACC_WRITE_MASK } from './spte-mmio.ts';
import { gfnToMemslot } from './memslots.ts';

const RMAP_RECYCLE_THRESHOLD = 1000;

/**
 * set_spte for a 4 KiB leaf of a direct page (ACC_ALL). No indirect shadow page exists yet, so mmu_need_write_protect never
 * has a reason to say yes and nothing is returned.
 */
function setSpte(
  mmu: Mmu,
  vcpuId: number,
  sptep: number,
  gfn: number,
  pfn: number,
  speculative: boolean,
  hostWritable: boolean,
): void {
  if (setMmioSpte(mmu, vcpuId, sptep, gfn, pfn, ACC_ALL)) return;
  let lo = mmu.leafBits;
  let access = ACC_ALL;
  if (!speculative) lo |= mmu.accessedMask;
  if (hostWritable) lo |= SPTE_HOST_WRITEABLE;
  else access &= ~ACC_WRITE_MASK;
  lo |= pfn << 12;
  if ((access & ACC_WRITE_MASK) !== 0) {
    lo |= PT_WRITABLE_MASK | SPTE_MMU_WRITEABLE;
    markPageDirtyInSlot(mmu.arena, gfnToMemslot(mmu.arena, gfn), gfn);
  }
  if (mmuSpteUpdate(mmu, sptep, lo, 0)) flushRemoteTlbs(mmu);
}

/**
 * mmu_set_spte at level 1.
 * @param speculative the guest did not ask for it (prefetch): the accessed bit stays clear
 * @returns whether the access must be emulated, because the entry is an MMIO spte now
 */
export function mmuSetSpte(
  mmu: Mmu,
  vcpuId: number,
  sptep: number,
  gfn: number,
  pfn: number,
  speculative: boolean,
  hostWritable: boolean,
): boolean {
  const { i32 } = mmu;
  const word = sptep >> 2;
  const oldLo = i32[word];
  let wasRmapped = false;
  if (isShadowPresent(mmu, oldLo, i32[word + 1])) {
    if (spteToPfn(oldLo) === pfn) {
      wasRmapped = true;
    } else {
      dropSpte(mmu, sptep);
      flushRemoteTlbs(mmu);
    }
  }
  setSpte(mmu, vcpuId, sptep, gfn, pfn, speculative, hostWritable);
  const lo = i32[word];
  const hi = i32[word + 1];
  // KVM tests bit 7 of whatever was stored, and in an MMIO spte that is bit 4 of the generation: the counter drifts.
  if (!wasRmapped && (lo & PT_PAGE_SIZE_MASK) !== 0) countLargePage(mmu, lo, hi);
  if (isShadowPresent(mmu, lo, hi) && !wasRmapped && rmapAdd(mmu, sptep) > RMAP_RECYCLE_THRESHOLD) {
    rmapRecycle(mmu, sptep);
  }
  return isMmio(mmu, lo, hi);
}
