/**
 * KVM_SET_USER_MEMORY_REGION in the kernel's order (__kvm_set_memory_region of virt/kvm/kvm_main.c, v3.11), with the MMU
 * behind an interface, because memslots know nothing of shadow pages.
 */
import type { Arena } from '../arena/arena.ts';
import { UmbraBug } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import type { MemslotError } from './memslot-errors.ts';
import type { MemslotLimits } from './limits.ts';

export type { MemslotCheck, MemslotError } from './memslot-errors.ts';

/** struct kvm_userspace_memory_region. */
export interface UserMemoryRegion {
  readonly slot: number;
  readonly flags: number;
  readonly guestPhysAddr: bigint;
  readonly memorySize: bigint;
  readonly userspaceAddr: bigint;
}

export type MemslotChange = 'CREATE' | 'DELETE' | 'MOVE' | 'FLAGS_ONLY' | 'NONE';

/** What kvm_arch_commit_memory_region is told. */
export interface MemslotCommit {
  readonly change: Exclude<MemslotChange, 'NONE'>;
  readonly slotId: number;
  /** The slot in the table that is active now; −1 after DELETE. */
  readonly slot: number;
  readonly oldFlags: number;
  readonly newFlags: number;
  readonly npages: number;
}

/** What the MMU does for a memslot change. Called with slots_lock held (in order, never concurrently). */
export interface MemslotMmu {
  /** synchronize_srcu_expedited: comes back when no vCPU can still be reading the table that was active before. */
  synchronizeReaders(): void;
  /** kvm_arch_flush_shadow_memslot: DELETE and MOVE, after the INVALID copy of the slot is installed. v3.11 zaps everything. */
  flushShadowMemslot(slot: number): void;
  /**
   * kvm_arch_commit_memory_region, after the final install: page quota, write protection for a slot that logs dirty pages
   * (change is not DELETE and newFlags has LOG_DIRTY_PAGES), and then what the era does about MMIO sptes.
   */
  commitMemoryRegion(commit: MemslotCommit): void;
}

/** A change that happened. */
export interface MemslotChangeReport {
  readonly change: MemslotChange;
  readonly generationBefore: bigint;
  readonly generationAfter: bigint;
  readonly mmioGenerationBefore: number;
  readonly mmioGenerationAfter: number;
}

/** Who calls: user space through the ioctl, or the kernel for a slot of its own. */
export type MemslotCaller = 'user' | 'kernel';

export function setMemoryRegion(
  _arena: Arena,
  _limits: MemslotLimits,
  _mmu: MemslotMmu,
  _region: UserMemoryRegion,
  _caller: MemslotCaller = 'user',
): Result<MemslotChangeReport, MemslotError> {
  throw new UmbraBug('setMemoryRegion: not yet');
}
