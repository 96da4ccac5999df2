/**
 * The vCPU's one-entry MMIO cache (vcpu_cache_mmio_info and friends, arch/x86/kvm/x86.h of v3.11, v3.17 and v6.8). Until
 * 3.17 it has no generation: a memslot change leaves it as it is, and an access that it still matches is served as MMIO
 * although a slot lies there now (56f17dd3fbc4). Umbra keeps that behaviour in those eras, and notes the generation all the
 * same, to be able to say when it strikes (mmio-bugs.ts). `r` is the vCPU's block.
 */
import { VCPU_MMIO_ACCESS, VCPU_MMIO_GFN, VCPU_MMIO_GVA } from '../../arena/vcpu-layout.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { VCPU_MMIO_GEN } from '../mmu/mmu-words.ts';

/**
 * int32 index of the low half of the active table's generation. While one thread does everything the published table can be
 * looked up without the ordered load, which V8 makes a call of.
 */
export function generationWord(mmu: Mmu): number {
  const active = mmu.vcpuCount === 1 ? mmu.i32[mmu.activeMemslots] : Atomics.load(mmu.i32, mmu.activeMemslots);
  return mmu.memslotsGeneration + active * mmu.memslotTableWords;
}

/**
 * v6.8 caches nothing while a memslot update is in flight. A gva with direct mapping is cached as 0, which matches nothing.
 * @returns whether the cache holds it now
 */
export function vcpuCacheMmioInfo(
  mmu: Mmu,
  r: Int32Array,
  gvaLo: number,
  gvaHi: number,
  gfn: number,
  access: number,
): boolean {
  const word = generationWord(mmu);
  const genHi = mmu.i32[word + 1];
  if ((genHi & mmu.inProgressBitHigh) !== 0) return false;
  r[VCPU_MMIO_GVA] = gvaLo & ~0xfff;
  r[VCPU_MMIO_GVA + 1] = gvaHi;
  r[VCPU_MMIO_ACCESS] = access;
  r[VCPU_MMIO_GFN] = gfn | 0;
  r[VCPU_MMIO_GFN + 1] = (gfn / 0x1_0000_0000) | 0;
  r[VCPU_MMIO_GEN] = mmu.i32[word];
  r[VCPU_MMIO_GEN + 1] = genHi;
  return true;
}

/** vcpu_match_mmio_gen of 3.17: whether no memslot has changed since the cache was filled. */
export function vcpuMatchMmioGen(mmu: Mmu, r: Int32Array): boolean {
  const word = generationWord(mmu);
  return r[VCPU_MMIO_GEN] === mmu.i32[word] && r[VCPU_MMIO_GEN + 1] === mmu.i32[word + 1];
}

/** Page 0 never matches: 0 means "none". */
export const vcpuMatchMmioGva = (mmu: Mmu, r: Int32Array, lo: number, hi: number): boolean =>
  r[VCPU_MMIO_GVA] === (lo & ~0xfff) &&
  r[VCPU_MMIO_GVA + 1] === hi &&
  (r[VCPU_MMIO_GVA] | r[VCPU_MMIO_GVA + 1]) !== 0 &&
  (!mmu.cacheHasGeneration || vcpuMatchMmioGen(mmu, r));

/** gfn 0 never matches. */
export const vcpuMatchMmioGpa = (mmu: Mmu, r: Int32Array, lo: number, hi: number): boolean =>
  r[VCPU_MMIO_GFN] === ((lo >>> 12) | (hi << 20)) &&
  r[VCPU_MMIO_GFN + 1] === hi >>> 12 &&
  (r[VCPU_MMIO_GFN] | r[VCPU_MMIO_GFN + 1]) !== 0 &&
  (!mmu.cacheHasGeneration || vcpuMatchMmioGen(mmu, r));

/** vcpu->arch.mmio_gfn as a gpa's halves. */
export const cachedMmioGpaLow = (r: Int32Array): number => r[VCPU_MMIO_GFN] << 12;
export const cachedMmioGpaHigh = (r: Int32Array): number => (r[VCPU_MMIO_GFN] >>> 20) | (r[VCPU_MMIO_GFN + 1] << 12);

/** vcpu_clear_mmio_info for every address. */
export function vcpuClearMmioInfo(r: Int32Array): void {
  r[VCPU_MMIO_GVA] = 0;
  r[VCPU_MMIO_GVA + 1] = 0;
}

/** vcpu_clear_mmio_info for one. */
export function vcpuClearMmioGva(r: Int32Array, lo: number, hi: number): void {
  if (r[VCPU_MMIO_GVA] === (lo & ~0xfff) && r[VCPU_MMIO_GVA + 1] === hi) vcpuClearMmioInfo(r);
}
