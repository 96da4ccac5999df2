/** What a kernel version allows of memslots. The checks and their order belong to memslot-checks.ts; here are the numbers. */
import type { Era, MmuMode } from '../../base/machine-modes.ts';

export interface MemslotLimits {
  readonly name: string;
  /** Slots that user space can name: ids 0 … userSlots − 1. */
  readonly userSlots: number;
  /** All slots of one address space, the kernel's own included. */
  readonly memSlots: number;
  /** KVM_MEM_MAX_NR_PAGES. */
  readonly maxPages: bigint;
  /** TASK_SIZE_MAX: access_ok accepts a range that ends at or below it. */
  readonly userAddressLimit: bigint;
  /** kvm_mmu_max_gfn: the last frame a slot may hold. 3.11 does not look. */
  readonly maxGfn: number;
  /** Whether a new range may not touch the kernel's own slots either (since 4.x; 3.11 skips them). */
  readonly overlapWithInternal: boolean;
  /** 'v3.11' or 'v6.18': the order of checks, what DELETE looks at, how a slot number is taken apart. */
  readonly rules: 'v3.11' | 'v6.18';
}

export const KVM_MEM_LOG_DIRTY_PAGES = 1;
export const KVM_MEM_READONLY = 2;
export const KVM_MEMSLOT_INVALID = 0x1_0000;

/** v3.11: 125 user slots and three private ones (TSS, APIC access page, EPT identity table). */
export const LIMITS_V3_11: MemslotLimits = {
  name: 'v3.11',
  userSlots: 125,
  memSlots: 128,
  maxPages: (1n << 31n) - 1n,
  userAddressLimit: 0x7fff_ffff_f000n,
  maxGfn: Number.MAX_SAFE_INTEGER,
  overlapWithInternal: false,
  rules: 'v3.11',
};

/** v6.18: SHRT_MAX slots of which three are the kernel's; one address space (no SMM); a host with 52 physical address bits. */
export const LIMITS_V6_18: MemslotLimits = {
  name: 'v6.18',
  userSlots: 32764,
  memSlots: 32767,
  maxPages: (1n << 31n) - 1n,
  userAddressLimit: 0x7fff_ffff_f000n,
  maxGfn: 2 ** 40 - 1,
  overlapWithInternal: true,
  rules: 'v6.18',
};

/** v6.8: v6.18's numbers and order, beside a second address space for SMM, which no vCPU of Umbra can enter. */
const LIMITS_V6_8: MemslotLimits = { ...LIMITS_V6_18, name: 'v6.8' };

/**
 * What the era that runs allows. The last frame of v6.8 is the host's where it translates in two dimensions; the shadow MMU
 * takes 52 bits (kvm_mmu_max_gfn).
 */
export function limitsOf(era: Era, mmu: MmuMode, maxPhyAddr: number): MemslotLimits {
  if (era !== 'v6.8') return LIMITS_V3_11;
  return { ...LIMITS_V6_8, maxGfn: 2 ** ((mmu === 'shadow' ? 52 : maxPhyAddr) - 12) - 1 };
}

/** How many slots the arena of a machine needs room for. */
export const memslotsOf = (era: Era): number => limitsOf(era, 'ept', 52).memSlots;
