/** mmio-predict.ts for a guest whose page tables are shadowed: the fault's address is a linear one. Nothing is changed. */
import { MMIO_CACHED, MMIO_EMULATE, MMIO_FIRST, MMIO_INVALID } from '../../base/mmio-outcomes.ts';
import { u64FromHalves, highHalf, lowHalf } from '../../base/address.ts';
import { type GuestFrames, probeGuestWalk } from '../../x86/index.ts';
import { ERA_V3_10 } from '../eras.ts';
import type { PredictedMmioFault } from '../hooks.ts';
import { VCPU_MMIO_GFN } from '../../arena/vcpu-layout.ts';
import { vcpuMatchMmioGva } from './mmio-cache.ts';
import { visibleGeneration, visibleSpteGeneration } from './mmio-fault.ts';
import { gfnOf } from './mmio-predict.ts';
import { freshGeneration } from './mmio-spte.ts';
import { gfnToPfn, KVM_PFN_NOSLOT } from '../memslots/memslots.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isMmio } from '../mmu/mmu-spte.ts';
import { lastSptep, signFree, spteLockless } from '../mmu/mmu-walk.ts';
import { mmioSpteGeneration, mmioSpteGfn } from '../spte/spte-mmio.ts';

/** The frame of the MMIO page at a linear address, as far as the cache or an MMIO spte knows it; −1 when neither does. Pure. */
export function shadowMmioGfn(mmu: Mmu, r: Int32Array, lo: number, hi: number): number {
  if (vcpuMatchMmioGva(mmu, r, lo, hi)) return (r[VCPU_MMIO_GFN] >>> 0) + r[VCPU_MMIO_GFN + 1] * 0x1_0000_0000;
  const sptep = lastSptep(mmu, r, lo, signFree(hi));
  const spteLo = spteLockless(mmu, sptep);
  const spteHi = mmu.spteHigh;
  return isMmio(mmu, spteLo, spteHi) ? mmioSpteGfn(mmu.mmio, spteLo, spteHi) : -1;
}

const KINDS = ['read', 'write', 'fetch'] as const;

/**
 * Fills the rest of `fault` from the linear address and the access that are in it.
 * @param reserved the fault has RSVD
 * @param frames where the guest's tables are read
 * @returns false when this is no MMIO fault, among them every fault that is the guest's own
 */
export function predictShadowMmioFault(
  mmu: Mmu,
  r: Int32Array,
  fault: PredictedMmioFault,
  reserved: boolean,
  frames: GuestFrames,
): boolean {
  const { gvaLo, gvaHi } = fault;
  const sptep = lastSptep(mmu, r, gvaLo, signFree(gvaHi));
  const lo = sptep === 0 ? 0 : mmu.i32[sptep >> 2];
  const hi = sptep === 0 ? 0 : mmu.i32[(sptep >> 2) + 1];
  fault.spteGen = visibleSpteGeneration(mmu, lo, hi);
  fault.kvmGen = visibleGeneration(mmu);
  if (reserved) {
    const gfn = shadowMmioGfn(mmu, r, gvaLo, gvaHi);
    // Zapped meanwhile: the guest faults again.
    if (gfn < 0) return false;
    fault.gpaLo = (gfn << 12) | (gvaLo & 0xfff);
    fault.gpaHi = (gfn / 0x10_0000) | 0;
    const fresh = mmu.era === ERA_V3_10 || mmioSpteGeneration(mmu.mmio, lo, hi) === freshGeneration(mmu);
    if (vcpuMatchMmioGva(mmu, r, gvaLo, gvaHi)) fault.outcome = MMIO_CACHED;
    else fault.outcome = isMmio(mmu, lo, hi) && fresh ? MMIO_EMULATE : MMIO_INVALID;
    return true;
  }
  const walk = probeGuestWalk(mmu.arena, fault.vcpuId, u64FromHalves(gvaLo, gvaHi), KINDS[fault.access], frames);
  if (walk.gpa === undefined || walk.fault !== undefined) return false;
  fault.gpaLo = lowHalf(walk.gpa);
  fault.gpaHi = highHalf(walk.gpa);
  fault.outcome = MMIO_FIRST;
  return gfnToPfn(mmu.arena, gfnOf(fault.gpaLo, fault.gpaHi), fault.access === 1) === KVM_PFN_NOSLOT;
}
