/**
 * The reserved-bit check of the shadow tables that took the place of RET_MMIO_PF_BUG in 4.3 (shadow_zero_check and
 * is_rsvd_spte, arch/x86/kvm/mmu/{mmu.c,spte.h} of v6.8): what hardware would never accept in a present entry. Which bits:
 * SDM vol 3C "EPT Translation Mechanism" and "EPT Misconfigurations"; vol 3A "4-Level Paging", "PAE Paging".
 */
import { VM_MAXPHYADDR } from '../../arena/mmu-layout.ts';
import { highHalf, lowHalf } from '../../base/address.ts';
import { MMU_EPT, PT_PAGE_SIZE_MASK, type Mmu } from '../mmu/mmu.ts';
import { getSpteHierarchy } from '../probe/probe-hierarchy.ts';
import { bitRange } from './spte-magic.ts';
import { isMmioSpte } from './spte-mmio.ts';

const LARGE = BigInt(PT_PAGE_SIZE_MASK);

/** Memory types 2, 3 and 7 do not exist; W without R does not either (SDM vol 3C, "EPT Misconfigurations"). */
function badMemoryTypeOrRights(spte: bigint, level: number): boolean {
  if ((spte & 3n) === 2n) return true;
  const isLeaf = level === 1 || (spte & LARGE) !== 0n;
  const type = (spte >> 3n) & 7n;
  return isLeaf && (type === 2n || type === 3n || type === 7n);
}

/** The bits of a present entry that its level reserves. */
export function reservedSpteBits(mmu: Mmu, spte: bigint, level: number): bigint {
  const maxPhyAddr = mmu.i32[(mmu.vm + VM_MAXPHYADDR) >> 2];
  const ept = mmu.mode === MMU_EPT;
  const large = level > 1 && (spte & LARGE) !== 0n;
  let mask = bitRange(maxPhyAddr, 51);
  if (large && level <= 3) mask |= bitRange(ept ? 12 : 13, 12 + 9 * (level - 1) - 1);
  else if (level > 1) mask |= ept ? bitRange(3, level === 4 ? 7 : 6) : level === 4 ? LARGE : 0n;
  const bits = spte & mask;
  return ept && badMemoryTypeOrRights(spte, level) ? bits | (spte & bitRange(0, 5)) : bits;
}

/** On a thread of its own another vCPU may have made an MMIO spte since this one found the entry to be none. */
const isShadowPresent = (mmu: Mmu, spte: bigint): boolean =>
  (spte & 1n) !== 0n && !isMmioSpte(mmu.mmio, lowHalf(spte), highHalf(spte));

/**
 * The reserved bits on the way to an address. Entries that are not present end the walk and are not looked at: an MMIO spte
 * has reserved bits on purpose.
 * @returns the text of v6.8's error, undefined when there are none
 */
export function reservedHierarchyText(mmu: Mmu, r: Int32Array, lo: number, hi: number): string | undefined {
  const entries = getSpteHierarchy(mmu, r, lo, hi).map(({ level, value }) => ({
    level,
    value,
    reserved: isShadowPresent(mmu, value) ? reservedSpteBits(mmu, value, level) : 0n,
  }));
  if (entries.every(({ reserved }) => reserved === 0n)) return undefined;
  const address = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  const lines = entries.map(
    ({ level, value, reserved }) =>
      `------ spte = 0x${value.toString(16)} level = ${level}, rsvd bits = 0x${reserved.toString(16)}`,
  );
  const head = `get_mmio_spte: reserved bits set on MMU-present spte, addr 0x${address.toString(16)}, hierarchy:`;
  return [head, ...lines].join('\n');
}
