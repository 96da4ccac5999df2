/**
 * Bits of control registers and of paging-structure entries, and which of the latter are reserved (SDM vol 3A, chapter
 * "Paging", tables of entry formats). Shared by the walkers, which change the machine, and the probes, which do not.
 */
export const CR0_PE = 0x1;
export const CR0_MP = 0x2;
export const CR0_EM = 0x4;
export const CR0_TS = 0x8;
export const CR0_ET = 0x10;
export const CR0_NE = 0x20;
export const CR0_WP = 0x1_0000;
export const CR0_AM = 0x4_0000;
export const CR0_NW = 0x2000_0000;
export const CR0_CD = 0x4000_0000;
export const CR0_PG = 0x8000_0000 | 0;

export const CR4_VME = 0x1;
export const CR4_PVI = 0x2;
export const CR4_TSD = 0x4;
export const CR4_DE = 0x8;
export const CR4_PSE = 0x10;
export const CR4_PAE = 0x20;
export const CR4_MCE = 0x40;
export const CR4_PGE = 0x80;
export const CR4_PCE = 0x100;
export const CR4_OSFXSR = 0x200;
export const CR4_OSXMMEXCPT = 0x400;
export const CR4_FSGSBASE = 0x1_0000;
export const CR4_SMEP = 0x10_0000;
export const CR4_SMAP = 0x20_0000;

export const EFER_SCE = 0x1;
export const EFER_LME = 0x100;
export const EFER_LMA = 0x400;
export const EFER_NXE = 0x800;

export const PTE_PRESENT = 0x1;
export const PTE_WRITABLE = 0x2;
export const PTE_USER = 0x4;
export const PTE_ACCESSED = 0x20;
export const PTE_DIRTY = 0x40;
/** In entries that may map a large page: it does. */
export const PTE_PAGE_SIZE = 0x80;
export const PTE_GLOBAL = 0x100;

/** Page-fault error code (SDM vol 3A, "Page-Fault Exceptions"; KVM's PFERR_*). W, U and F double as the kind of an access. */
export const PFERR_PRESENT = 0x1;
export const PFERR_WRITE = 0x2;
export const PFERR_USER = 0x4;
export const PFERR_RSVD = 0x8;
export const PFERR_FETCH = 0x10;
/** Kind of an access only: the processor's own, to a descriptor table or a stack it switches to; EFLAGS.AC does not excuse it from SMAP. */
export const ACCESS_IMPLICIT = 0x100;
/** In LAST_ACCESS only: what an exit is about is the access itself, not one to the guest's paging structures on its way. */
export const ACCESS_FINAL = 0x200;

/** What a translation allows. The first three are KVM's ACC_*. */
export const RIGHT_EXECUTE = 0x1;
export const RIGHT_WRITE = 0x2;
export const RIGHT_USER = 0x4;
/** The leaf's D bit is set, so writes need not pass the walker. */
export const RIGHT_DIRTY = 0x8;
export const RIGHT_GLOBAL = 0x10;
/** The leaf maps more than 4 KiB. */
export const RIGHT_LARGE = 0x20;

/** Bits MAXPHYADDR … 51 of an entry, as a mask of its high half. `maxPhyAddr` is 32 … 52. */
export function reservedAddressBits(maxPhyAddr: number): number {
  return maxPhyAddr >= 52 ? 0 : 0xf_ffff & ~((1 << (maxPhyAddr - 32)) - 1);
}

/** High-half bits that are reserved in every PDE and PTE: address bits, XD without EFER.NXE, and with PAE paging 52 … 62. */
export function reservedHighBits(maxPhyAddr: number, efer: number, longMode: boolean): number {
  const xd = (efer & EFER_NXE) !== 0 ? 0 : 0x8000_0000 | 0;
  return reservedAddressBits(maxPhyAddr) | xd | (longMode ? 0 : 0x7ff0_0000);
}

/**
 * Low-half bits that are reserved in an entry of 4-level or PAE paging at `level` (4 = PML4E … 1 = PTE).
 * @param amd AMD reserves bit 8 of a PML4E too (APM vol 2, "Long-Mode Page Translation")
 */
export function reservedLowBits(level: number, entryLo: number, amd: boolean): number {
  switch (level) {
    case 4:
      return amd ? 0x180 : 0x80;
    case 3:
      return (entryLo & PTE_PAGE_SIZE) !== 0 ? 0x3fff_e000 : 0;
    case 2:
      return (entryLo & PTE_PAGE_SIZE) !== 0 ? 0x1f_e000 : 0;
    default:
      return 0;
  }
}

/** PAE PDPTE: bits 1–2 and 5–8 of the low half; every bit from MAXPHYADDR up of the high half. */
export const PAE_PDPTE_RESERVED_LOW = 0x1e6;
export function paePdpteReservedHigh(maxPhyAddr: number): number {
  return reservedAddressBits(maxPhyAddr) | (0xfff0_0000 | 0);
}

/** 4 MiB PDE of 32-bit paging: bits 13 … M − 20 are address bits 32 … M − 1 with M at most 40; from there to 21 reserved. */
export function pse36ReservedBits(maxPhyAddr: number): number {
  const first = Math.min(40, maxPhyAddr) - 19;
  return 0x3f_ffff & ~((1 << first) - 1);
}

/** Index into a table of 512 entries, for the level of 4-level or PAE paging. */
export function tableIndex(level: number, lo: number, hi: number): number {
  switch (level) {
    case 4:
      return (hi >>> 7) & 0x1ff;
    case 3:
      return ((hi << 2) | (lo >>> 30)) & 0x1ff;
    case 2:
      return (lo >>> 21) & 0x1ff;
    default:
      return (lo >>> 12) & 0x1ff;
  }
}
