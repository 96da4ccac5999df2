/**
 * Faults with a reserved bit under guest paging (handle_mmio_page_fault_common with `direct` false, arch/x86/kvm/mmu.c of
 * v3.11): the address is the guest's linear one, and so is what the vCPU's MMIO cache remembers.
 */
import { VCPU_MMIO_GFN, VCPU_MMIO_GVA } from '../../arena/vcpu-layout.ts';
import { MMIO_CACHED, MMIO_EMULATE, MMIO_INVALID, MMIO_RETRY } from '../../base/mmio-outcomes.ts';
import { vcpuCacheMmioInfo, vcpuMatchMmioGva } from './mmio-cache.ts';
import { RET_MMIO_PF_EMULATE, RET_MMIO_PF_INVALID, RET_MMIO_PF_RETRY, visibleSpteGeneration } from './mmio-fault.ts';
import type { MmioRecord } from './mmio-record.ts';
import { checkMmioSpte } from './mmio-spte.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isMmio } from '../mmu/mmu-spte.ts';
import { lastSptep, locklessBegin, locklessEnd, spteLockless } from '../mmu/mmu-walk.ts';
import { mmioSpteAccess, mmioSpteGfn } from '../spte/spte-mmio.ts';
import { traceHandleMmioPageFault } from '../trace/trace-events.ts';

/** vcpu_clear_mmio_info for every address. */
export function vcpuClearMmioInfo(r: Int32Array): void {
  r[VCPU_MMIO_GVA] = 0;
  r[VCPU_MMIO_GVA + 1] = 0;
}

/** vcpu_clear_mmio_info for one. */
export function vcpuClearMmioGva(r: Int32Array, lo: number, hi: number): void {
  if (r[VCPU_MMIO_GVA] === (lo & ~0xfff) && r[VCPU_MMIO_GVA + 1] === hi) vcpuClearMmioInfo(r);
}

/** The frame of the MMIO page at a linear address, as far as the cache or an MMIO spte knows it; −1 when neither does. Pure. */
export function shadowMmioGfn(mmu: Mmu, r: Int32Array, lo: number, hi: number): number {
  if (vcpuMatchMmioGva(mmu, r, lo, hi)) return (r[VCPU_MMIO_GFN] >>> 0) + r[VCPU_MMIO_GFN + 1] * 0x1_0000_0000;
  const sptep = lastSptep(mmu, r, lo, signFree(hi));
  const spteLo = spteLockless(mmu, sptep);
  const spteHi = mmu.spteHigh;
  return isMmio(mmu, spteLo, spteHi) ? mmioSpteGfn(mmu.mmio, spteLo, spteHi) : -1;
}

/**
 * A present entry that is no MMIO spte is nothing to wonder at here: another vCPU may have mapped something else at the
 * address since. So there is no RET_MMIO_PF_BUG.
 */
export function handleShadowMmioPageFault(
  mmu: Mmu,
  r: Int32Array,
  vcpuId: number,
  lo: number,
  hi: number,
  record: MmioRecord,
): number {
  if (vcpuMatchMmioGva(mmu, r, lo, hi)) {
    record.outcome = MMIO_CACHED;
    return RET_MMIO_PF_EMULATE;
  }
  locklessBegin(mmu, r);
  const sptep = lastSptep(mmu, r, lo, signFree(hi));
  const spteLo = spteLockless(mmu, sptep);
  const spteHi = mmu.spteHigh;
  locklessEnd(mmu, r);
  record.noteSpte(spteLo, spteHi, visibleSpteGeneration(mmu, spteLo, spteHi));
  if (!isMmio(mmu, spteLo, spteHi)) {
    record.outcome = MMIO_RETRY;
    return RET_MMIO_PF_RETRY;
  }
  if (!checkMmioSpte(mmu, vcpuId, spteLo, spteHi)) {
    record.outcome = MMIO_INVALID;
    return RET_MMIO_PF_INVALID;
  }
  const gfn = mmioSpteGfn(mmu.mmio, spteLo, spteHi);
  const access = mmioSpteAccess(mmu.mmio, spteLo);
  traceHandleMmioPageFault(mmu.arena, vcpuId, lo, hi, gfn, access);
  vcpuCacheMmioInfo(mmu, r, lo, hi, gfn, access);
  record.outcome = MMIO_EMULATE;
  return RET_MMIO_PF_EMULATE;
}

/** A canonical linear address as its 48 bits: what indexes the tables. */
export const signFree = (hi: number): number => hi & 0xffff;
