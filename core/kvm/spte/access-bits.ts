/** ACC_* of arch/x86/kvm/mmu.c: what a guest mapping allows. */
export const ACC_EXEC_MASK = 1;
export const ACC_WRITE_MASK = 2;
export const ACC_USER_MASK = 4;
export const ACC_ALL = 7;
