/** The bits by which an MMIO spte is known, for an era and a host (kvm_set_mmio_spte_mask and its callers). */
import type { MmuMode } from '../../base/machine-modes.ts';
import { ACC_USER_MASK, ACC_WRITE_MASK } from './access-bits.ts';
import type { SpteEra } from './spte-eras.ts';

/** What a value does not say about itself. */
export interface SpteHost {
  readonly mmu: MmuMode;
  /** Host MAXPHYADDR (boot_cpu_data.x86_phys_bits), 32 … 52. */
  readonly maxPhyAddr: number;
  /** x86_cache_bits of a CPU with the L1TF bug, often 44 or 46; undefined = not affected. Counts from 5.1 on. */
  readonly l1tfCacheBits?: number | undefined;
  /** Position of AMD's memory encryption bit when SME is on; counts for NPT and shadow from 5.6 on. */
  readonly smeBit?: number | undefined;
}

export interface MmioMagic {
  /** (spte & mask) == value makes an MMIO spte; mask 0n: this kernel makes none on this host. */
  readonly value: bigint;
  readonly mask: bigint;
}

export const bitRange = (low: number, high: number): bigint =>
  high < low ? 0n : ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
const bit = (at: number): bigint => 1n << BigInt(at);

const same = (mask: bigint): MmioMagic => ({ value: mask, mask });
const NO_MMIO_CACHING = same(0n);

export function mmioMagic(era: SpteEra, host: SpteHost): MmioMagic {
  const { mmu, maxPhyAddr } = host;
  const ept = mmu === 'ept';
  // Bit 0 makes hardware look at the reserved bits; with no reserved address bit left the entry is "not present" instead.
  const presentBit = maxPhyAddr === 52 ? 0n : 1n;
  const sme = smeMask(era, host);
  switch (era.magic) {
    case 'all-ones':
      return same(ept ? bitRange(49, 56) | 6n : bitRange(maxPhyAddr, 62) | presentBit);
    case 'top-two':
      return same(bitRange(62, 63) | (ept ? 6n : bitRange(maxPhyAddr, 51) | presentBit));
    case 'special-62-rsvd':
      return ept ? { value: bit(62) | 6n, mask: bit(62) | 7n } : same(bit(62) | bitRange(maxPhyAddr, 51) | presentBit);
    case 'special-62':
      return ept ? { value: bit(62) | 6n, mask: bit(62) | 7n } : same(bit(62) | bit(51) | presentBit);
    case 'special-52': {
      const special = bitRange(52, 53);
      if (ept) return { value: special | 6n, mask: special | 7n };
      return same(special | (sme ?? bit(51) | presentBit));
    }
    case 'plain':
    case 'plain-ve':
      if (ept) return { value: 6n, mask: era.magic === 'plain-ve' ? bit(63) | 7n : 7n };
      if (sme !== undefined) return same(sme);
      return maxPhyAddr === 52 ? NO_MMIO_CACHING : same(bit(51) | 1n);
  }
}

/** The ACC_* bits that the era takes out of an MMIO spte (shadow_mmio_access_mask; before 5.4 what the magic leaves). */
export function mmioAccessMask(era: SpteEra, host: SpteHost): number {
  const bits = ACC_WRITE_MASK | ACC_USER_MASK;
  if (host.mmu !== 'ept') return bits;
  return era.eptAccess === 'none' ? 0 : bits & ~Number(mmioMagic(era, host).mask & 7n);
}

/** svm_adjust_mmio_mask: reserved bits from the physical width up, stepping over the encryption bit. */
function smeMask(era: SpteEra, { mmu, maxPhyAddr, smeBit }: SpteHost): bigint | undefined {
  const adjusts = era.since[0] > 5 || (era.since[0] === 5 && era.since[1] >= 6);
  if (mmu === 'ept' || smeBit === undefined || !adjusts) return undefined;
  const first = maxPhyAddr === smeBit ? maxPhyAddr + 1 : maxPhyAddr;
  return first >= 52 ? 0n : bitRange(first, 51) | 1n;
}

export interface GfnPlacement {
  /** Bits of the spte that hold address bits in place. */
  readonly inPlace: bigint;
  /** shadow_nonpresent_or_rsvd_mask: forced to one; the address bits that belong there stand {@link L1TF_SHIFT} higher. 0n = no split. */
  readonly split: bigint;
}

/** SHADOW_NONPRESENT_OR_RSVD_MASK_LEN. */
export const L1TF_SHIFT = 5;
/** The split needs five bits above the address: no host with 47 bits or more has it. */
const L1TF_LIMIT = 52 - L1TF_SHIFT;

/** Where the address bits of an MMIO spte are. */
export function gfnPlacement(era: SpteEra, host: SpteHost): GfnPlacement {
  if (era.l1tf === 'none' || era.magic === 'special-62-rsvd') {
    const { mask } = mmioMagic(era, host);
    return { inPlace: bitRange(12, 51) & ~mask, split: 0n };
  }
  const bits = era.l1tf === 'by-phys-bits' ? host.maxPhyAddr : host.l1tfCacheBits;
  if (bits === undefined || bits >= L1TF_LIMIT) return { inPlace: bitRange(12, host.maxPhyAddr - 1), split: 0n };
  const low = bits - L1TF_SHIFT;
  return { inPlace: bitRange(12, low - 1), split: bitRange(low, bits - 1) };
}
