/**
 * The paging mode of a guest, from its registers, and what an entry of its tables says (is_paging, is_pae, is_long_mode,
 * gpte_access, is_rsvd_bits_set, is_last_gpte of arch/x86/kvm, v3.11). Entries of 32-bit paging come with a high half of 0.
 */
import { VCPU_CR0, VCPU_CR4, VCPU_EFER, VCPU_MAXPHYADDR } from '../../arena/vcpu-layout.ts';
import {
  PT32_ROOT_LEVEL,
  PT32E_ROOT_LEVEL,
  PT64_ROOT_LEVEL,
  PT_PAGE_SIZE_MASK,
  PT_PAGE_TABLE_LEVEL,
  PT_USER_MASK,
  PT_WRITABLE_MASK,
} from '../mmu/mmu.ts';
import { ACC_EXEC_MASK, ACC_WRITE_MASK } from '../spte/access-bits.ts';

export const CR0_PG = 0x8000_0000 | 0;
export const CR0_WP = 1 << 16;
export const CR4_PSE = 1 << 4;
export const CR4_PAE = 1 << 5;
export const CR4_SMEP = 1 << 20;
export const EFER_LMA = 1 << 10;
export const EFER_NX = 1 << 11;

export const isPaging = (r: Int32Array): boolean => (r[VCPU_CR0] & CR0_PG) !== 0;
export const isPae = (r: Int32Array): boolean => (r[VCPU_CR4] & CR4_PAE) !== 0;
export const isLongMode = (r: Int32Array): boolean => (r[VCPU_EFER] & EFER_LMA) !== 0;
export const isWriteProtection = (r: Int32Array): boolean => (r[VCPU_CR0] & CR0_WP) !== 0;
export const isSmep = (r: Int32Array): boolean => (r[VCPU_CR4] & CR4_SMEP) !== 0;

/** mmu.root_level: levels of the guest's tables, 0 without paging. */
export const guestRootLevel = (r: Int32Array): number =>
  !isPaging(r) ? 0 : isLongMode(r) ? PT64_ROOT_LEVEL : isPae(r) ? PT32E_ROOT_LEVEL : PT32_ROOT_LEVEL;

/** mmu.nx: only 64-bit entries have the bit. */
const hasNx = (r: Int32Array): boolean => isPae(r) && (r[VCPU_EFER] & EFER_NX) !== 0;

/** sizeof(pt_element_t). */
export const gpteBytes = (r: Int32Array): number => (isPae(r) ? 8 : 4);

/** PT_INDEX. */
export function gpteIndex(r: Int32Array, level: number, lo: number, hi: number): number {
  if (!isPae(r)) return (lo >>> (level === 1 ? 12 : 22)) & 0x3ff;
  if (level === 1) return (lo >>> 12) & 0x1ff;
  if (level === 2) return (lo >>> 21) & 0x1ff;
  if (level === 3) return ((lo >>> 30) | (hi << 2)) & 0x1ff;
  return (hi >>> 7) & 0x1ff;
}

/** Frames under an entry: KVM_PAGES_PER_HPAGE, but 4 MiB for a page directory entry of 32-bit paging. */
export const framesUnderGpte = (r: Int32Array, level: number): number =>
  level === 1 ? 1 : level === 2 ? (isPae(r) ? 512 : 1024) : 262_144;

/** gpte_access. */
export const gpteAccess = (r: Int32Array, lo: number, hi: number): number =>
  (lo & (PT_WRITABLE_MASK | PT_USER_MASK)) | (hi < 0 && hasNx(r) ? 0 : ACC_EXEC_MASK);

const PT_DIRTY_SHIFT = 6;
const PT_WRITABLE_SHIFT = 1;

/** protect_clean_gpte: a page whose D bit is clear is not mapped writable, so that its first write is seen. */
export const protectCleanGpte = (access: number, lo: number): number =>
  access & (~ACC_WRITE_MASK | ((lo >>> (PT_DIRTY_SHIFT - PT_WRITABLE_SHIFT)) & ACC_WRITE_MASK));

/** gpte_to_gfn_lvl of an entry that maps a page (or, at level 1, names a table). */
export function gpteToGfn(r: Int32Array, lo: number, hi: number, level: number): number {
  const address = isPae(r) ? (hi & 0xf_ffff) * 0x10_0000 : 0;
  const mask = level === 1 ? ~0xfff : level === 2 ? (isPae(r) ? ~0x1f_ffff : ~0x3f_ffff) : ~0x3fff_ffff;
  return address + ((lo & mask) >>> 12);
}

/** pse36_gfn_delta: bits 13–16 of a 4 MiB entry are address bits 32–35. */
export const pse36GfnDelta = (lo: number): number => ((lo >>> 13) & 0xf) * 0x10_0000;

/** is_last_gpte. */
export const isLastGpte = (r: Int32Array, level: number, lo: number): boolean =>
  level === PT_PAGE_TABLE_LEVEL ||
  ((lo & PT_PAGE_SIZE_MASK) !== 0 && level < PT64_ROOT_LEVEL && (isPae(r) || (r[VCPU_CR4] & CR4_PSE) !== 0));

/** rsvd_bits(MAXPHYADDR, 51), high half. */
const reservedAddressHigh = (r: Int32Array): number => {
  const bits = r[VCPU_MAXPHYADDR] - 32;
  return bits >= 20 ? 0 : 0xf_ffff & ~((1 << bits) - 1);
};

/** is_rsvd_bits_set, with the masks of reset_rsvds_bits_mask. The PDPTE registers of PAE are checked when they are loaded. */
export function isRsvdBitsSet(r: Int32Array, lo: number, hi: number, level: number): boolean {
  const large = (lo & PT_PAGE_SIZE_MASK) !== 0;
  if (!isPae(r)) {
    // 36-bit PSE: bits 17–21. Without PSE a 4 MiB entry is a pointer to a table, and nothing of it is reserved.
    return large && level === 2 && (r[VCPU_CR4] & CR4_PSE) !== 0 && (lo & 0x3e_0000) !== 0;
  }
  let high = reservedAddressHigh(r);
  if (!hasNx(r)) high |= 0x8000_0000 | 0;
  if (!isLongMode(r)) high |= 0x7ff0_0000;
  if ((hi & high) !== 0) return true;
  if (level === 4) return (lo & 0x180) !== 0;
  if (level === 3) return (lo & (large ? 0x3fff_e000 : 0x180)) !== 0;
  return level === 2 && large && (lo & 0x1f_e000) !== 0;
}
