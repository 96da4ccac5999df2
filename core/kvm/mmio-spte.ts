/**
 * MMIO sptes in the table: making one and telling whether it is still good (mark_mmio_spte, set_mmio_spte and
 * check_mmio_spte of the patch and of arch/x86/kvm/mmu.c, v3.11). The bit layout is in spte-mmio.ts.
 */
import { SP_MMIO_CACHED } from '../arena/mmu-layout.ts';
import { currentMmioGeneration, ERA_V3_10, ERA_V3_11, MMIO_GEN_BIAS, MMIO_GEN_MASK } from './eras.ts';
import { KVM_PFN_NOSLOT } from './memslots.ts';
import type { Mmu } from './mmu.ts';
import { mmuSpteSet } from './mmu-spte.ts';
import { pageHeader, pageOfHpa } from './shadow-page-pool.ts';
import { ACC_USER_MASK, ACC_WRITE_MASK, mmioSpteGeneration, mmioSpteHigh, mmioSpteLow } from './spte-mmio.ts';
import { traceCheckMmioSpte, traceMarkMmioSpte } from './trace-events.ts';

/**
 * kvm_current_mmio_generation on the fault path. While one thread does everything the published table can be looked up without
 * the ordered load, which V8 makes a call of.
 */
export function currentGeneration(mmu: Mmu): number {
  if (mmu.vcpuCount !== 1) return currentMmioGeneration(mmu.arena);
  const { i32, era } = mmu;
  if (era === ERA_V3_10) return 0;
  const low = i32[mmu.memslotsGeneration + i32[mmu.activeMemslots] * mmu.memslotTableWords];
  return (era === ERA_V3_11 ? low + MMIO_GEN_BIAS : low) & MMIO_GEN_MASK;
}

/** mark_mmio_spte: the entry carries the generation that is current now (v3.10: none, which reads as 0). */
export function markMmioSpte(mmu: Mmu, vcpuId: number, sptep: number, gfn: number, access: number): void {
  const gen = currentMmioGeneration(mmu.arena);
  const stored = access & (ACC_WRITE_MASK | ACC_USER_MASK);
  // v3.11 dropped the flag together with the walk that needed it.
  if (mmu.era !== ERA_V3_11) mmu.i32[pageHeader(mmu, pageOfHpa(mmu, sptep)) + (SP_MMIO_CACHED >> 2)] = 1;
  traceMarkMmioSpte(mmu.arena, vcpuId, sptep, gfn, stored, gen);
  mmuSpteSet(mmu, sptep, mmioSpteLow(mmu.mmioMaskLo, gfn, stored, gen), mmioSpteHigh(mmu.mmioMaskHi, gfn, gen));
}

/** set_mmio_spte: acts only for a frame without slot; true when it wrote. */
export function setMmioSpte(
  mmu: Mmu,
  vcpuId: number,
  sptep: number,
  gfn: number,
  pfn: number,
  access: number,
): boolean {
  if (pfn !== KVM_PFN_NOSLOT) return false;
  markMmioSpte(mmu, vcpuId, sptep, gfn, access);
  return true;
}

/** check_mmio_spte: whether the entry's generation is the current one. Always traced; v3.10 has no such check. */
export function checkMmioSpte(mmu: Mmu, vcpuId: number, lo: number, hi: number): boolean {
  if (mmu.era === ERA_V3_10) return true;
  const kvmGen = currentGeneration(mmu);
  const spteGen = mmioSpteGeneration(mmu.mmioMaskLo, mmu.mmioMaskHi, lo, hi);
  traceCheckMmioSpte(mmu.arena, vcpuId, kvmGen, spteGen, lo, hi);
  return kvmGen === spteGen;
}
