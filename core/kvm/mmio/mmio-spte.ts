/**
 * MMIO sptes in the table: making one and telling whether it is still good (mark_mmio_spte, set_mmio_spte and
 * check_mmio_spte of the patch and of arch/x86/kvm/mmu.c, v3.11). The bit layout is in spte-mmio.ts.
 */
import { SP_MMIO_CACHED } from '../../arena/mmu-layout.ts';
import { VCPU_MMIO_GFN } from '../../arena/vcpu-layout.ts';
import { ERA_PATCH, ERA_V3_10, ERA_V6_8 } from '../eras.ts';
import { KVM_PFN_NOSLOT } from '../memslots/memslots.ts';
import { generationWord } from './mmio-cache.ts';
import { mappingSlot, nameCorruptMark } from './mmio-bugs.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { VCPU_MMIO_GEN } from '../mmu/mmu-words.ts';
import { mmuSpteSet } from '../mmu/mmu-spte.ts';
import { pageHeader, pageOfHpa } from '../mmu/shadow-page-pool.ts';
import {
  ACC_ALL,
  ACC_USER_MASK,
  ACC_WRITE_MASK,
  mmioSpteGeneration,
  mmioSpteHigh,
  mmioSpteLow,
} from '../spte/spte-mmio.ts';
import { traceCheckMmioSpte, traceMarkMmioSpte } from '../trace/trace-events.ts';

/** kvm_current_mmio_generation on the fault path. 0 in v3.10, as in every MMIO spte of it. */
export const currentGeneration = (mmu: Mmu): number =>
  (mmu.i32[generationWord(mmu)] + mmu.generationBias) & mmu.generationMask;

/** Generation that no MMIO spte has: what v6.8 compares with while a memslot update is in flight. */
const NEVER_FRESH = -1;

/**
 * The generation that a fresh MMIO spte carries. In v3.17 it is odd while an update is in flight, which none in a table is;
 * v6.8 has a flag for that.
 */
export function freshGeneration(mmu: Mmu): number {
  const word = generationWord(mmu);
  if ((mmu.i32[word + 1] & mmu.inProgressBitHigh) !== 0) return NEVER_FRESH;
  return (mmu.i32[word] + mmu.generationBias) & mmu.generationMask;
}

/**
 * mark_mmio_spte: the entry carries the generation that is current now (v3.10: none, which reads as 0).
 * @param resynced by sync_mmio_spte, over a stale entry
 */
export function markMmioSpte(
  mmu: Mmu,
  vcpuId: number,
  sptep: number,
  gfn: number,
  access: number,
  resynced: boolean,
): void {
  const gen = currentGeneration(mmu);
  // v3.11 keeps what the guest's mapping allows in the event even where the entry has no room for it.
  const stored = access & (ACC_WRITE_MASK | ACC_USER_MASK);
  // v3.11 dropped the flag together with the walk that needed it.
  if (mmu.era === ERA_PATCH || mmu.era === ERA_V3_10) {
    mmu.i32[pageHeader(mmu, pageOfHpa(mmu, sptep)) + (SP_MMIO_CACHED >> 2)] = 1;
  }
  // Who has just looked this frame up in the table that is active now knows that no slot maps it.
  const block = mmu.vcpuBlock(vcpuId);
  const looked =
    mmu.i32[block + VCPU_MMIO_GFN] === (gfn | 0) && mmu.i32[block + VCPU_MMIO_GEN] === mmu.i32[generationWord(mmu)];
  if (!looked && mmu.era !== ERA_V3_10) {
    // The slot first: an update that is published between the two looks makes the entry stale, and no mistake.
    const slot = mappingSlot(mmu, gfn, false);
    const storedGen = (gen >>> mmu.mmio.genShift) << mmu.mmio.genShift;
    if (slot >= 0 && storedGen === freshGeneration(mmu)) nameCorruptMark(mmu, vcpuId, gfn, gen, slot, resynced);
  }
  const lo = mmioSpteLow(mmu.mmio, gfn, stored, gen);
  // Later kernels take the access of the event from the entry's lowest bits, whatever they mean there.
  traceMarkMmioSpte(mmu.arena, vcpuId, sptep, gfn, mmu.era === ERA_V6_8 ? lo & ACC_ALL : stored, gen);
  mmuSpteSet(mmu, sptep, lo, mmioSpteHigh(mmu.mmio, gfn, gen));
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
  markMmioSpte(mmu, vcpuId, sptep, gfn, access, false);
  return true;
}

/**
 * check_mmio_spte: whether the entry's generation is the current one. Always traced, but in v6.8 while an update is in
 * flight; v3.10 has no such check.
 */
export function checkMmioSpte(mmu: Mmu, vcpuId: number, lo: number, hi: number): boolean {
  if (mmu.era === ERA_V3_10) return true;
  const fresh = freshGeneration(mmu);
  if (fresh === NEVER_FRESH) return false;
  const spteGen = mmioSpteGeneration(mmu.mmio, lo, hi);
  traceCheckMmioSpte(mmu.arena, vcpuId, fresh, spteGen, lo, hi);
  return fresh === spteGen;
}
