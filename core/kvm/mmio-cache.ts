/**
 * The vCPU's one-entry MMIO cache (vcpu_cache_mmio_info and friends, arch/x86/kvm/x86.h of v3.11). It has no generation:
 * until 3.17 a memslot change leaves it as it is, and an access that it still matches is served as MMIO although a slot lies
 * there now. Umbra keeps that behaviour. `r` is the vCPU's block.
 */
import { VCPU_MMIO_ACCESS, VCPU_MMIO_GFN, VCPU_MMIO_GVA } from '../arena/vcpu-layout.ts';

/** A gva with direct mapping is cached as 0, which matches nothing. */
export function vcpuCacheMmioInfo(r: Int32Array, gvaLo: number, gvaHi: number, gfn: number, access: number): void {
  r[VCPU_MMIO_GVA] = gvaLo & ~0xfff;
  r[VCPU_MMIO_GVA + 1] = gvaHi;
  r[VCPU_MMIO_ACCESS] = access;
  r[VCPU_MMIO_GFN] = gfn | 0;
  r[VCPU_MMIO_GFN + 1] = (gfn / 0x1_0000_0000) | 0;
}

/** Page 0 never matches: 0 means "none". */
export const vcpuMatchMmioGva = (r: Int32Array, lo: number, hi: number): boolean =>
  r[VCPU_MMIO_GVA] === (lo & ~0xfff) && r[VCPU_MMIO_GVA + 1] === hi && (r[VCPU_MMIO_GVA] | r[VCPU_MMIO_GVA + 1]) !== 0;

/** gfn 0 never matches. */
export const vcpuMatchMmioGpa = (r: Int32Array, lo: number, hi: number): boolean =>
  r[VCPU_MMIO_GFN] === ((lo >>> 12) | (hi << 20)) &&
  r[VCPU_MMIO_GFN + 1] === hi >>> 12 &&
  (r[VCPU_MMIO_GFN] | r[VCPU_MMIO_GFN + 1]) !== 0;

/** vcpu->arch.mmio_gfn as a gpa's halves. */
export const cachedMmioGpaLow = (r: Int32Array): number => r[VCPU_MMIO_GFN] << 12;
export const cachedMmioGpaHigh = (r: Int32Array): number => (r[VCPU_MMIO_GFN] >>> 20) | (r[VCPU_MMIO_GFN + 1] << 12);
