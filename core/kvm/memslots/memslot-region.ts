/** What user space passes to KVM_SET_USER_MEMORY_REGION, and what a change is called. */

/** struct kvm_userspace_memory_region. */
export interface UserMemoryRegion {
  readonly slot: number;
  readonly flags: number;
  readonly guestPhysAddr: bigint;
  /** Bytes; 0 deletes. */
  readonly memorySize: bigint;
  readonly userspaceAddr: bigint;
}

export type MemslotChange = 'CREATE' | 'DELETE' | 'MOVE' | 'FLAGS_ONLY' | 'NONE';

/** Who calls: user space through the ioctl, or the kernel for a slot of its own. */
export type MemslotCaller = 'user' | 'kernel';
