/** union kvm_mmu_page_role in v3.11's bit order (arch/x86/include/asm/kvm_host.h). */
export const ROLE_LEVEL_MASK = 0xf;
export const ROLE_CR4_PAE = 1 << 4;
export const ROLE_QUADRANT_SHIFT = 5;
export const ROLE_DIRECT = 1 << 13;
export const ROLE_ACCESS_SHIFT = 14;
export const ROLE_INVALID = 1 << 17;
export const ROLE_NXE = 1 << 18;
export const ROLE_CR0_WP = 1 << 19;
export const ROLE_SMEP_ANDNOT_WP = 1 << 20;
/**
 * Of 4.2 (edc90b7dc4ce), in the next free bit: v3.11 offers its guests no SMAP, the processor here does, and without the bit a
 * page made kernel-only for a write under CR0.WP = 0 would go on to hide user pages from SMAP.
 */
export const ROLE_SMAP_ANDNOT_WP = 1 << 21;

export const roleLevel = (role: number): number => role & ROLE_LEVEL_MASK;
/** Which quarter (page directory) or half (page table) of a table of 4-byte entries a page shadows. */
export const roleQuadrant = (role: number): number => (role >> ROLE_QUADRANT_SHIFT) & 3;
/** ACC_* that the levels above allow. */
export const roleAccess = (role: number): number => (role >> ROLE_ACCESS_SHIFT) & 7;

/** The role of a direct page below a base role: what it maps does not depend on the guest's table format. */
export const directRole = (baseRole: number, level: number, access: number): number =>
  (baseRole & ~ROLE_CR4_PAE) | level | ROLE_DIRECT | (access << ROLE_ACCESS_SHIFT);

export const indirectRole = (baseRole: number, level: number, access: number): number =>
  baseRole | level | (access << ROLE_ACCESS_SHIFT);

/**
 * The quadrant bits of a role under a guest with 32-bit paging, whose tables have 1024 entries where a shadow page has 512.
 * @param gaddr linear address that the page is made for
 */
export function quadrantRole(gaddr: number, level: number): number {
  const quadrant = (gaddr >>> (12 + 9 * level)) & ((1 << level) - 1);
  return quadrant << ROLE_QUADRANT_SHIFT;
}
