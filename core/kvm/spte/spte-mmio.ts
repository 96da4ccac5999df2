/**
 * The MMIO spte of the eras that run, on int32 halves for the fault path (arch/x86/kvm/mmu.c of v3.11 and v3.17,
 * arch/x86/kvm/mmu/spte.{c,h} of v6.8: mark_mmio_spte and make_mmio_spte, is_mmio_spte, get_mmio_spte_*). One codec serves
 * all: what differs is in the {@link MmioSpteFormat}, made once per VM from what spte-eras.ts and spte-magic.ts say.
 */
import type { Arena } from '../../arena/arena.ts';
import { VM_ERA, VM_MAXPHYADDR, VM_MMU_MODE } from '../../arena/mmu-layout.ts';
import { highHalf, lowHalf } from '../../base/address.ts';
import { UmbraBug } from '../../base/assert.ts';
import { ERAS, MMU_MODES, type Era } from '../../base/machine-modes.ts';
import { VM_L1TF_CACHE_BITS } from '../mmu/mmu-words.ts';
import { findSpteEra } from './spte-eras.ts';
import { bitRange, gfnPlacement, L1TF_SHIFT, mmioAccessMask, mmioMagic, type SpteHost } from './spte-magic.ts';

export { ACC_ALL, ACC_EXEC_MASK, ACC_USER_MASK, ACC_WRITE_MASK } from './access-bits.ts';

export interface MmioSpteFormat {
  /** shadow_mmio_value and shadow_mmio_mask. A VM that makes no MMIO sptes has a value that no spte can match. */
  readonly valueLo: number;
  readonly valueHi: number;
  readonly maskLo: number;
  readonly maskHi: number;
  /** enable_mmio_caching: false on shadow and NPT with MAXPHYADDR 52 in v6.8. */
  readonly caching: boolean;
  /** Bits of the generation, low field at 3 and high field at 52; 0 in v3.10. */
  readonly genMaskLo: number;
  readonly genMaskHi: number;
  /** Bits in the low field, and generation bits below it that are not stored. */
  readonly genLowBits: number;
  readonly genShift: number;
  /** Address bits in their place, and those that L1TF protection moves up by five. */
  readonly gfnMaskLo: number;
  readonly gfnMaskHi: number;
  readonly splitLo: number;
  readonly splitHi: number;
  /** ACC_* bits that are kept; 0 on EPT. */
  readonly accessMask: number;
}

const GEN_LOW_AT = 3;
const GEN_HIGH_AT = 52 - 32;

export function mmioSpteFormat(eraName: Era, host: SpteHost): MmioSpteFormat {
  const era = findSpteEra(eraName);
  if (era === undefined) throw new UmbraBug(`era ${eraName} has no spte format`);
  const { value, mask } = mmioMagic(era, host);
  const { inPlace, split } = gfnPlacement(era, host);
  const [low, high] = era.generation;
  const caching = mask !== 0n;
  return {
    valueLo: caching ? lowHalf(value) : 1,
    valueHi: highHalf(value),
    maskLo: lowHalf(mask),
    maskHi: highHalf(mask),
    caching,
    genMaskLo: low === undefined ? 0 : lowHalf(bitRange(low.low, low.high)),
    genMaskHi: high === undefined ? 0 : highHalf(bitRange(high.low, high.high)),
    genLowBits: low === undefined ? 0 : low.high - low.low + 1,
    genShift: low === undefined ? 0 : low.genBit,
    gfnMaskLo: lowHalf(inPlace),
    gfnMaskHi: highHalf(inPlace),
    splitLo: lowHalf(split),
    splitHi: highHalf(split),
    accessMask: mmioAccessMask(era, host),
  };
}

/** The host that a VM in an arena believes to run on, as far as sptes depend on it. */
export function spteHostOf({ i32, layout }: Arena): SpteHost {
  const l1tf = i32[(layout.vm + VM_L1TF_CACHE_BITS) >> 2];
  return {
    mmu: MMU_MODES[i32[(layout.vm + VM_MMU_MODE) >> 2] - 1],
    maxPhyAddr: i32[(layout.vm + VM_MAXPHYADDR) >> 2],
    l1tfCacheBits: l1tf === 0 ? undefined : l1tf,
  };
}

export const mmioSpteFormatOf = (arena: Arena): MmioSpteFormat =>
  mmioSpteFormat(ERAS[arena.i32[(arena.layout.vm + VM_ERA) >> 2]], spteHostOf(arena));

/** Low half of the value that mark_mmio_spte stores. `gfn` may have 40 bits. */
export const mmioSpteLow = (format: MmioSpteFormat, gfn: number, access: number, gen: number): number =>
  format.valueLo |
  (access & format.accessMask) |
  (((gen >>> format.genShift) << GEN_LOW_AT) & format.genMaskLo) |
  (gfn << 12) |
  format.splitLo |
  (((gfn << 12) & format.splitLo) << L1TF_SHIFT);

/** High half of the same value. */
export function mmioSpteHigh(format: MmioSpteFormat, gfn: number, gen: number): number {
  const gpaHi = (gfn / 0x10_0000) | 0;
  const moved = ((gpaHi & format.splitHi) << L1TF_SHIFT) | (((gfn << 12) & format.splitLo) >>> (32 - L1TF_SHIFT));
  const high = (((gen >>> format.genShift) >>> format.genLowBits) << GEN_HIGH_AT) & format.genMaskHi;
  return format.valueHi | high | gpaHi | format.splitHi | moved;
}

/** is_mmio_spte. */
export const isMmioSpte = (format: MmioSpteFormat, low: number, high: number): boolean =>
  (low & format.maskLo) === format.valueLo && (high & format.maskHi) === format.valueHi;

/** get_mmio_spte_generation; always 0 in v3.10. */
export const mmioSpteGeneration = (format: MmioSpteFormat, low: number, high: number): number =>
  (((low & format.genMaskLo) >>> GEN_LOW_AT) | (((high & format.genMaskHi) >>> GEN_HIGH_AT) << format.genLowBits)) <<
  format.genShift;

/** get_mmio_spte_gfn. */
export const mmioSpteGfn = (format: MmioSpteFormat, low: number, high: number): number =>
  ((high & format.gfnMaskHi) | ((high >>> L1TF_SHIFT) & format.splitHi)) * 0x10_0000 +
  (((low & format.gfnMaskLo) | (((low >>> L1TF_SHIFT) | (high << (32 - L1TF_SHIFT))) & format.splitLo)) >>> 12);

/** ACC_WRITE and ACC_USER as stored; 0 on EPT. */
export const mmioSpteAccess = (format: MmioSpteFormat, low: number): number => low & format.accessMask;

/**
 * is_shadow_present_pte of v3.11: bit 0 and not MMIO. On EPT bit 0 is READ, so no MMIO spte has it; with MAXPHYADDR 52 the
 * shadow mask lacks bit 0 as well.
 */
export const isShadowPresentSpte = (format: MmioSpteFormat, low: number, high: number): boolean =>
  (low & 1) !== 0 && !isMmioSpte(format, low, high);
