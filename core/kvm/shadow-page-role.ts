/** union kvm_mmu_page_role in v3.11's bit order (arch/x86/include/asm/kvm_host.h). */
export const ROLE_LEVEL_MASK = 0xf;
export const ROLE_CR4_PAE = 1 << 4;
export const ROLE_DIRECT = 1 << 13;
export const ROLE_ACCESS_SHIFT = 14;
export const ROLE_INVALID = 1 << 17;
export const ROLE_NXE = 1 << 18;
export const ROLE_CR0_WP = 1 << 19;
export const ROLE_SMEP_ANDNOT_WP = 1 << 20;

export const roleLevel = (role: number): number => role & ROLE_LEVEL_MASK;

/** The role of a direct page below a base role: what it maps does not depend on the guest's table format. */
export const directRole = (baseRole: number, level: number, access: number): number =>
  (baseRole & ~ROLE_CR4_PAE) | level | ROLE_DIRECT | (access << ROLE_ACCESS_SHIFT);
