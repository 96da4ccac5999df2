/**
 * handle_mmio_page_fault_common (arch/x86/kvm/mmu.c): what a fault on an entry with reserved bits, or an EPT
 * misconfiguration, turns out to be.
 */
import { MMIO_BUG, MMIO_CACHED, MMIO_EMULATE, MMIO_INVALID, MMIO_RETRY } from '../../base/mmio-outcomes.ts';
import { ERA_V3_10, ERA_V6_8 } from '../eras.ts';
import { vcpuCacheMmioInfo, vcpuMatchMmioGpa, vcpuMatchMmioGva } from './mmio-cache.ts';
import { nameMmioPfBug } from './mmio-bugs.ts';
import type { MmioRecord } from './mmio-record.ts';
import { checkMmioSpte, currentGeneration } from './mmio-spte.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isMmio } from '../mmu/mmu-spte.ts';
import { lastSptep, locklessBegin, locklessEnd, signFree, spteLockless } from '../mmu/mmu-walk.ts';
import { reservedHierarchyText } from '../spte/spte-reserved.ts';
import { mmioSpteAccess, mmioSpteGeneration, mmioSpteGfn } from '../spte/spte-mmio.ts';
import { traceHandleMmioPageFault } from '../trace/trace-events.ts';

/** RET_MMIO_PF_* of arch/x86/kvm/mmu.h, v3.11; v3.10 had the first three as bare 1, 0 and −1 and no INVALID. */
export const RET_MMIO_PF_EMULATE = 1;
export const RET_MMIO_PF_INVALID = 2;
export const RET_MMIO_PF_RETRY = 0;
export const RET_MMIO_PF_BUG = -1;

/** Current generation as people see it: −1 in an era that has none. */
export const visibleGeneration = (mmu: Mmu): number => (mmu.era === ERA_V3_10 ? -1 : currentGeneration(mmu));

/** Generation in an MMIO spte as people see it. */
export const visibleSpteGeneration = (mmu: Mmu, lo: number, hi: number): number =>
  mmu.era === ERA_V3_10 || !isMmio(mmu, lo, hi) ? -1 : mmioSpteGeneration(mmu.mmio, lo, hi);

/**
 * @param r the vCPU's block
 * @param direct the address is a gpa, the cache is asked by gpa and filled with gva 0. A guest whose page tables are shadowed
 *   faults with a gva, and an entry that is no MMIO spte is nothing to wonder at there: another vCPU may have mapped something
 *   else at the address since.
 * @param record takes what the walk found, for the log
 * @returns RET_MMIO_PF_*
 */
export function handleMmioPageFaultCommon(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  addressLo: number,
  addressHi: number,
  direct: boolean,
  record: MmioRecord,
): number {
  // quickly_check_mmio_pf. No generation is looked at here: that is 3.17's fix.
  const cached = direct
    ? vcpuMatchMmioGpa(mmu, r, addressLo, addressHi)
    : vcpuMatchMmioGva(mmu, r, addressLo, addressHi);
  if (cached) {
    record.outcome = MMIO_CACHED;
    return RET_MMIO_PF_EMULATE;
  }

  // walk_shadow_page_get_mmio_spte.
  locklessBegin(mmu, r);
  const sptep = lastSptep(mmu, r, addressLo, direct ? addressHi : signFree(addressHi));
  const lo = spteLockless(mmu, sptep);
  const hi = mmu.spteHigh;
  locklessEnd(mmu, r);
  record.noteSpte(lo, hi, visibleSpteGeneration(mmu, lo, hi));

  if (isMmio(mmu, lo, hi)) {
    if (!checkMmioSpte(mmu, vcpuId, lo, hi)) {
      record.outcome = MMIO_INVALID;
      return RET_MMIO_PF_INVALID;
    }
    const gfn = mmioSpteGfn(mmu.mmio, lo, hi);
    const access = mmioSpteAccess(mmu.mmio, lo);
    const gvaLo = direct ? 0 : addressLo;
    const gvaHi = direct ? 0 : addressHi;
    traceHandleMmioPageFault(mmu.arena, vcpuId, gvaLo, gvaHi, gfn, access);
    vcpuCacheMmioInfo(mmu, r, gvaLo, gvaHi, gfn, access);
    record.outcome = MMIO_EMULATE;
    return RET_MMIO_PF_EMULATE;
  }

  if (direct && isBug(mmu, r, addressLo, addressHi, (lo | hi) !== 0)) {
    record.outcome = MMIO_BUG;
    if (mmu.era !== ERA_V6_8) nameMmioPfBug(mmu, vcpuId, addressLo, addressHi);
    return RET_MMIO_PF_BUG;
  }
  record.outcome = MMIO_RETRY;
  return RET_MMIO_PF_RETRY;
}

/**
 * check_direct_spte_mmio_pf: in a direct map a faulting entry is an MMIO spte or one that was zapped meanwhile. Since 4.3 only
 * reserved bits in a present entry are a bug, and those are looked for on the whole way to it.
 */
const isBug = (mmu: Mmu, r: Int32Array, gpaLo: number, gpaHi: number, stands: boolean): boolean =>
  mmu.era === ERA_V6_8 ? reservedHierarchyText(mmu, r, gpaLo, gpaHi) !== undefined : stands;
