/**
 * The MMIO spte of the eras that run, on int32 halves for the fault path (arch/x86/kvm/mmu.c of v3.11: mark_mmio_spte,
 * is_mmio_spte, get_mmio_spte_*).
 *
 * Layout: generation bits 0–8 at spte bits 3–11, bits 9–18 at 52–61; gfn at its natural place; ACC_WRITE and ACC_USER at
 * bits 1 and 2 (on EPT these belong to the magic mask, so access reads back as 0). v3.10 has the same places with another
 * mask and always generation 0, so one codec serves all.
 */
import type { Era, MmuMode } from '../base/machine-modes.ts';

export const ACC_EXEC_MASK = 1;
export const ACC_WRITE_MASK = 2;
export const ACC_USER_MASK = 4;
export const ACC_ALL = 7;

const bits = (low: number, high: number): bigint =>
  high < low ? 0n : ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);

/** shadow_mmio_mask of an era for a host with that many physical address bits. NPT and shadow share one format. */
export function mmioSpteMask(era: Era, mmu: MmuMode, maxPhyAddr: number): bigint {
  if (era === 'v3.10') {
    if (mmu === 'ept') return (0xffn << 49n) | 6n;
    return bits(maxPhyAddr, 62) | (maxPhyAddr === 52 ? 0n : 1n);
  }
  if (mmu === 'ept') return (3n << 62n) | 6n;
  // Without a reserved address bit, hardware must see "not present" instead: bit 0 goes (kvm_set_mmio_spte_mask).
  return bits(maxPhyAddr, 51) | (3n << 62n) | (maxPhyAddr === 52 ? 0n : 1n);
}

/** Low half of the value that mark_mmio_spte stores. `gfn` may have 40 bits. */
export const mmioSpteLow = (maskLow: number, gfn: number, access: number, gen: number): number =>
  maskLow | (access & (ACC_WRITE_MASK | ACC_USER_MASK)) | ((gen & 0x1ff) << 3) | (gfn << 12);

/** High half of the same value. */
export const mmioSpteHigh = (maskHigh: number, gfn: number, gen: number): number =>
  maskHigh | ((gen >>> 9) << 20) | ((gfn / 0x10_0000) | 0);

export const isMmioSpte = (maskLow: number, maskHigh: number, low: number, high: number): boolean =>
  (low & maskLow) === maskLow && (high & maskHigh) === maskHigh;

export const mmioSpteGeneration = (maskLow: number, maskHigh: number, low: number, high: number): number =>
  (((low & ~maskLow) >>> 3) & 0x1ff) | ((((high & ~maskHigh) >>> 20) & 0x3ff) << 9);

export const mmioSpteGfn = (maskHigh: number, low: number, high: number): number =>
  (high & ~maskHigh & 0xf_ffff) * 0x10_0000 + (low >>> 12);

/** ACC_WRITE and ACC_USER as stored; 0 on EPT. */
export const mmioSpteAccess = (maskLow: number, low: number): number => low & 7 & ~maskLow;

/**
 * is_shadow_present_pte of v3.11: bit 0 and not MMIO. On EPT bit 0 is READ, so no MMIO spte has it; with MAXPHYADDR 52 the
 * shadow mask lacks bit 0 as well.
 */
export const isShadowPresentSpte = (maskLow: number, maskHigh: number, low: number, high: number): boolean =>
  (low & 1) !== 0 && !isMmioSpte(maskLow, maskHigh, low, high);
