/** PFERR_*: error code of #PF and of nested page faults (SDM vol 3A, "Page-Fault Exceptions"; arch/x86/include/asm/kvm_host.h). */
export const PFERR_PRESENT_MASK = 1;
export const PFERR_WRITE_MASK = 2;
export const PFERR_USER_MASK = 4;
export const PFERR_RSVD_MASK = 8;
export const PFERR_FETCH_MASK = 16;
