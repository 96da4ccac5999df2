/**
 * What an MMIO fault came to. The first four are KVM's RET_MMIO_PF_* (arch/x86/kvm/mmu.h of v3.11); `CACHED` is EMULATE
 * answered by the vCPU's MMIO cache before any walk; `FIRST` is an access to a gfn without slot that reached KVM as an
 * ordinary violation because no MMIO spte stood there yet (it installs one and emulates).
 * The numbers are what the arena's MMIO log holds.
 */
export const MMIO_OUTCOMES = ['EMULATE', 'INVALID', 'RETRY', 'BUG', 'CACHED', 'FIRST'] as const;
export type MmioOutcome = (typeof MMIO_OUTCOMES)[number];

export const MMIO_EMULATE = 0;
export const MMIO_INVALID = 1;
export const MMIO_RETRY = 2;
export const MMIO_BUG = 3;
export const MMIO_CACHED = 4;
export const MMIO_FIRST = 5;
