/**
 * set_spte and mmu_set_spte (arch/x86/kvm/mmu.c of v3.11): what a leaf becomes for a frame and an access, and putting it in
 * place of whatever stands there.
 */
import { markPageDirtyInSlot } from '../memslots/dirty-log.ts';
import { hasWrprotectedPage } from '../memslots/lpage-info.ts';
import { gfnToMemslot } from '../memslots/memslots.ts';
import { ERA_V6_8 } from '../eras.ts';
import { vcpuCounterWord } from '../trace/stats.ts';
import { traceMmuSetSpte } from '../trace/trace-events.ts';
import { countLargePage } from '../mmio/mmio-bugs.ts';
import { FAULT_EMULATE, FAULT_FIXED, FAULT_SPURIOUS } from '../mmio/noslot-fault.ts';
import { setMmioSpte } from '../mmio/mmio-spte.ts';
import { PT_PAGE_SIZE_MASK, PT_PAGE_TABLE_LEVEL, PT_WRITABLE_MASK, type Mmu } from './mmu.ts';
import { dropSpte, isMmio, isShadowPresent, mmuSpteUpdate, rmapAdd, spteToPfn } from './mmu-spte.ts';
import { flushRemoteTlbs, mmuFlushTlb } from '../vcpu/requests.ts';
import { rmapRecycle } from './rmap.ts';
import { pageOfHpa } from './shadow-page-pool.ts';
import { dropParentPte } from './shadow-page-zap.ts';
import { ACC_EXEC_MASK, ACC_USER_MASK, ACC_WRITE_MASK } from '../spte/spte-mmio.ts';
import { mmuNeedWriteProtect } from '../shadow/unsync.ts';

const RMAP_RECYCLE_THRESHOLD = 1000;

/**
 * set_spte.
 * @param canUnsync whether a guest page table may turn unsync for the sake of a writable mapping of it; false while syncing
 * @returns whether the entry is write-protected because the frame is a guest page table
 */
export function setSpte(
  mmu: Mmu,
  vcpuId: number,
  sptep: number,
  pteAccess: number,
  level: number,
  gfn: number,
  pfn: number,
  speculative: boolean,
  canUnsync: boolean,
  hostWritable: boolean,
): boolean {
  if (setMmioSpte(mmu, vcpuId, sptep, gfn, pfn, pteAccess)) return false;
  let lo = mmu.leafBits;
  let hi = mmu.presentBitsHi;
  let access = pteAccess;
  let protect = false;
  if (!speculative) lo |= mmu.accessedMask;
  if ((access & ACC_EXEC_MASK) === 0) {
    lo &= ~mmu.execMask;
    hi |= mmu.nxMaskHi;
  }
  if ((access & ACC_USER_MASK) === 0) lo &= ~mmu.userMask;
  if (level > PT_PAGE_TABLE_LEVEL) lo |= PT_PAGE_SIZE_MASK;
  if (hostWritable) {
    lo |= mmu.hostWriteableLo;
    hi |= mmu.hostWriteableHi;
  } else access &= ~ACC_WRITE_MASK;
  lo |= pfn << 12;
  if ((access & ACC_WRITE_MASK) !== 0) {
    // Another vCPU shadowed a table in it since the level was decided: the guest's next fault decides anew.
    if (level > PT_PAGE_TABLE_LEVEL && hasWrprotectedPage(mmu, gfn, level)) return false;
    lo |= PT_WRITABLE_MASK | mmu.mmuWriteableLo;
    hi |= mmu.mmuWriteableHi;
    // What was writable while syncing is no synced guest table, and is dirty already.
    if (canUnsync || (mmu.i32[sptep >> 2] & PT_WRITABLE_MASK) === 0) {
      if (mmuNeedWriteProtect(mmu, vcpuId, gfn, canUnsync)) {
        protect = true;
        lo &= ~(PT_WRITABLE_MASK | mmu.mmuWriteableLo);
        hi &= ~mmu.mmuWriteableHi;
      } else {
        markPageDirtyInSlot(mmu.arena, gfnToMemslot(mmu.arena, gfn), gfn);
      }
    }
    // make_spte of v6.8: what may be written from now on is dirty from the start.
    const gained = lo & ~mmu.i32[sptep >> 2] & PT_WRITABLE_MASK;
    if (mmu.era === ERA_V6_8 && gained !== 0) lo |= mmu.dirtyMask;
  }
  if (mmuSpteUpdate(mmu, sptep, lo, hi)) flushRemoteTlbs(mmu);
  return protect;
}

/**
 * mmu_set_spte.
 * @param writeFault the access that faulted was a write: an entry that stays write-protected means emulation
 * @param speculative the guest did not ask for it (prefetch): the accessed bit stays clear
 * @returns FAULT_EMULATE, FAULT_FIXED or FAULT_SPURIOUS
 */
export function mmuSetSpte(
  mmu: Mmu,
  vcpuId: number,
  sptep: number,
  pteAccess: number,
  writeFault: boolean,
  level: number,
  gfn: number,
  pfn: number,
  speculative: boolean,
  hostWritable: boolean,
): number {
  const { i32 } = mmu;
  const word = sptep >> 2;
  const oldLo = i32[word];
  let wasRmapped = false;
  let emulate = false;
  if (isShadowPresent(mmu, oldLo, i32[word + 1])) {
    if (level > PT_PAGE_TABLE_LEVEL && (oldLo & PT_PAGE_SIZE_MASK) === 0) {
      // A large page takes the place of a table.
      dropParentPte(mmu, pageOfHpa(mmu, oldLo & ~0xfff), sptep);
      flushRemoteTlbs(mmu);
    } else if (spteToPfn(oldLo) === pfn) {
      wasRmapped = true;
    } else {
      dropSpte(mmu, sptep);
      flushRemoteTlbs(mmu);
    }
  }
  const beforeLo = i32[word];
  const beforeHi = i32[word + 1];
  if (setSpte(mmu, vcpuId, sptep, pteAccess, level, gfn, pfn, speculative, true, hostWritable)) {
    if (writeFault) emulate = true;
    mmuFlushTlb(mmu, vcpuId);
  }
  const lo = i32[word];
  const hi = i32[word + 1];
  const changed = lo !== beforeLo || hi !== beforeHi;
  if (isMmio(mmu, lo, hi)) {
    emulate = true;
    if (mmu.era === ERA_V6_8) mmu.f64[vcpuCounterWord(mmu.arena, vcpuId, 'pf_mmio_spte_created')] += 1;
  } else if (changed) traceMmuSetSpte(mmu.arena, vcpuId, gfn, sptep, level);
  // KVM tests bit 7 of whatever was stored, and in an MMIO spte that is bit 4 of the generation: the counter drifts.
  if (!wasRmapped && (lo & PT_PAGE_SIZE_MASK) !== 0) countLargePage(mmu, lo, hi);
  if (isShadowPresent(mmu, lo, hi) && !wasRmapped && rmapAdd(mmu, sptep, gfn) > RMAP_RECYCLE_THRESHOLD) {
    rmapRecycle(mmu, sptep);
  }
  return emulate ? FAULT_EMULATE : changed ? FAULT_FIXED : FAULT_SPURIOUS;
}
