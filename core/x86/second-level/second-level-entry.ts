/**
 * Entries of second-level tables: what makes an EPT entry misconfigured (SDM vol 3C, "EPT Misconfigurations"), what makes
 * an entry of a nested or shadow page table reserved. Shared by walkers and probes.
 *
 * The processor modelled here offers execute-only EPT mappings, 1 GiB and 2 MiB leaves, and accessed and dirty flags for EPT
 * where the EPT pointer asks for them (VCPU_EPT_AD).
 */
import { PTE_PAGE_SIZE, reservedAddressBits, reservedLowBits } from '../paging/paging-entry.ts';

/** VCPU_SECOND_LEVEL. */
export const SECOND_LEVEL_NONE = 0;
export const SECOND_LEVEL_EPT = 1;
export const SECOND_LEVEL_NPT = 2;
export const SECOND_LEVEL_SHADOW = 3;

// Exit qualification of an EPT violation (SDM vol 3C, table "Exit Qualification for EPT Violations").
export const EPT_VIOLATION_READ = 0x1;
export const EPT_VIOLATION_WRITE = 0x2;
export const EPT_VIOLATION_FETCH = 0x4;
/** Bits 3–5: AND of the walked entries' R, W and X. */
export const EPT_VIOLATION_RIGHTS_SHIFT = 3;
export const EPT_VIOLATION_GLA_VALID = 0x80;
/** Set: the fault was on the translation of the linear address itself; clear: on an access to a guest paging structure. */
export const EPT_VIOLATION_GLA_TRANSLATED = 0x100;

/** #NPF error code, high half: bit 32, final guest physical address; bit 33, a guest page table (APM vol 2, "Nested Table Walk"). */
export const NPF_GUEST_FINAL_HIGH = 0x1;
export const NPF_GUEST_PAGE_HIGH = 0x2;

/** Accessed and dirty flags of an EPT entry, where they are enabled (SDM vol 3C, "Accessed and Dirty Flags for EPT"). */
export const EPT_ACCESSED = 0x100;
export const EPT_DIRTY = 0x200;

/** Bit t set: memory type t is not one (2, 3 and 7). */
const BAD_MEMORY_TYPES = 0b1000_1100;

/** Whether an EPT entry is a leaf at this level. */
export function isEptLeaf(level: number, lo: number): boolean {
  return level === 1 || (level < 4 && (lo & PTE_PAGE_SIZE) !== 0);
}

/** `reservedHigh` is {@link reservedAddressBits} of the host's MAXPHYADDR. RWX = 000b is never misconfigured. */
export function isEptMisconfigured(level: number, lo: number, hi: number, reservedHigh: number): boolean {
  const rwx = lo & 7;
  if (rwx === 0) return false;
  if ((rwx & 3) === 2) return true; // writable, not readable: 010b, 110b
  if ((hi & reservedHigh) !== 0) return true;
  if (level === 1) return ((BAD_MEMORY_TYPES >> ((lo >> 3) & 7)) & 1) !== 0;
  if (level === 4) return (lo & 0xf8) !== 0;
  if ((lo & PTE_PAGE_SIZE) === 0) return (lo & 0x78) !== 0;
  if ((lo & (level === 3 ? 0x3fff_f000 : 0x1f_f000)) !== 0) return true;
  return ((BAD_MEMORY_TYPES >> ((lo >> 3) & 7)) & 1) !== 0;
}

/**
 * Whether a present entry of a nested (4 levels) or shadow (4 or 3) page table sets a reserved bit. The host has EFER.NXE
 * on. A PAE root entry (`levels` 3, `level` 3) is a PDPTE.
 */
export function isHostEntryReserved(
  levels: number,
  level: number,
  lo: number,
  hi: number,
  maxPhyAddr: number,
  amd: boolean,
): boolean {
  if (levels === 3) {
    if (level === 3) return (lo & 0x1e6) !== 0 || (hi & (reservedAddressBits(maxPhyAddr) | 0xfff0_0000)) !== 0;
    if ((hi & 0x7ff0_0000) !== 0) return true;
  }
  return (hi & reservedAddressBits(maxPhyAddr)) !== 0 || (lo & reservedLowBits(level, lo, amd)) !== 0;
}
