/** What an MMIO fault will come to, found out without touching anything: for breakpoints that stop in front of it. */
import { MMIO_BUG, MMIO_CACHED, MMIO_EMULATE, MMIO_FIRST, MMIO_INVALID, MMIO_RETRY } from '../../base/mmio-outcomes.ts';
import { ERA_V3_10, ERA_V6_8 } from '../eras.ts';
import type { PredictedMmioFault } from '../hooks.ts';
import { visibleGeneration, visibleSpteGeneration } from './mmio-fault.ts';
import { vcpuMatchMmioGpa } from './mmio-cache.ts';
import { KVM_PFN_NOSLOT, gfnToPfn } from '../memslots/memslots.ts';
import { freshGeneration } from './mmio-spte.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isMmio } from '../mmu/mmu-spte.ts';
import { lastSptep } from '../mmu/mmu-walk.ts';
import { mmioSpteGeneration } from '../spte/spte-mmio.ts';
import { reservedHierarchyText } from '../spte/spte-reserved.ts';

/** gpa halves → gfn. */
export const gfnOf = (lo: number, hi: number): number => (lo >>> 12) + (hi >>> 0) * 0x10_0000;

function predictOutcome(mmu: Mmu, r: Int32Array, gpaLo: number, gpaHi: number, lo: number, hi: number): number {
  if (isMmio(mmu, lo, hi)) {
    const fresh = mmu.era === ERA_V3_10 || mmioSpteGeneration(mmu.mmio, lo, hi) === freshGeneration(mmu);
    return fresh ? MMIO_EMULATE : MMIO_INVALID;
  }
  if (mmu.era === ERA_V6_8) return reservedHierarchyText(mmu, r, gpaLo, gpaHi) === undefined ? MMIO_RETRY : MMIO_BUG;
  return (lo | hi) === 0 ? MMIO_RETRY : MMIO_BUG;
}

/**
 * Fills `fault` for the gpa that is already in it.
 * @param reserved the fault is a misconfiguration or has RSVD; otherwise it is an ordinary violation, which is an MMIO fault
 *   only when no slot holds the frame
 * @returns false when this is no MMIO fault; nothing of the arena is changed either way
 */
export function predictMmioFault(mmu: Mmu, r: Int32Array, fault: PredictedMmioFault, reserved: boolean): boolean {
  if (!reserved && gfnToPfn(mmu.arena, gfnOf(fault.gpaLo, fault.gpaHi), fault.access === 1) !== KVM_PFN_NOSLOT) {
    return false;
  }
  const sptep = lastSptep(mmu, r, fault.gpaLo, fault.gpaHi);
  const lo = sptep === 0 ? 0 : mmu.i32[sptep >> 2];
  const hi = sptep === 0 ? 0 : mmu.i32[(sptep >> 2) + 1];
  fault.spteGen = visibleSpteGeneration(mmu, lo, hi);
  fault.kvmGen = visibleGeneration(mmu);
  if (!reserved) fault.outcome = MMIO_FIRST;
  else if (vcpuMatchMmioGpa(mmu, r, fault.gpaLo, fault.gpaHi)) fault.outcome = MMIO_CACHED;
  else fault.outcome = predictOutcome(mmu, r, fault.gpaLo, fault.gpaHi, lo, hi);
  return true;
}
