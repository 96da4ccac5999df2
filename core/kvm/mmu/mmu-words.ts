/**
 * Names for the words that the arena's layout leaves to core/kvm: in the vm region (bytes 88 … 511), in a vCPU's block
 * (words 266 … 319) and in a kvm_mmu_page header (byte 60).
 */

/** Byte offsets in the vm region; int32 each. */
/** MMIO sptes whose generation is {@link VM_MMIO_FRESH_GEN}: a count for people, so that nobody has to scan for it. */
export const VM_MMIO_FRESH = 88;
export const VM_MMIO_FRESH_GEN = 92;
/** Heads of lists of zapped pages not freed yet, linked by SP_LINK_NEXT; page index + 1, 0 = empty. */
export const VM_INVALID_LIST = 96;
/** kvm->arch.zapped_obsolete_pages. */
export const VM_ZAPPED_OBSOLETE = 100;
/** Threads that wait for VM_MMU_LOCK: what spin_needbreak looks at. */
export const VM_MMU_LOCK_WAITERS = 104;
/** 1 when EPT has accessed and dirty flags (kvm_intel.eptad). */
export const VM_EPT_AD = 108;
/** pte_list descriptors that are in use. */
export const VM_PTE_LIST_USED = 164;
/** What backs guest memory on the host: HOST_PAGES_* of large-page-level.ts. */
export const VM_HOST_PAGES = 160;

/** x86_cache_bits of a host CPU with the L1TF bug, 0 = not affected: where MMIO sptes of v6.8 hide their top address bits. */
export const VM_L1TF_CACHE_BITS = 112;
/** Why MMIO under the current memslots generation may be a mistake (mmio-bugs.ts): WATCH_*, 0 = it is none. */
export const VM_MMIO_WATCH = 116;
export const WATCH_CORRUPT = 1;
export const WATCH_WRAP = 2;
export const WATCH_RESYNCED = 3;
/** 1 while a memslot call has published something and has not returned: an access may come before or after the change. */
export const VM_MEMSLOTS_IN_CALL = 152;
/** How often each of KVM_BUGS (mmio-bugs.ts) has struck: int32 each, up to byte 151. */
export const VM_BUG_STRIKES = 120;

/** int32 indexes into a vCPU's block. */
/** vcpu->arch.mmio_gen, 64 bits: the memslots generation under which the MMIO cache was filled. */
export const VCPU_MMIO_GEN = 266;
/** vcpu->arch.mmu.pae_root: four u64; 32-byte aligned, as CR3 wants it (SDM vol 3A, "PAE Paging"). */
export const VCPU_PAE_ROOT = 272;
/** The role that new shadow pages of this vCPU get (vcpu->arch.mmu.base_role). */
export const VCPU_BASE_ROLE = 280;
/** 1 while roots are loaded (VALID_PAGE(root_hpa)). */
export const VCPU_ROOT_VALID = 281;
/** vcpu->arch.interrupt: vector + 1 of an acknowledged interrupt that is still to be delivered, 0 = none. */
export const VCPU_PENDING_INTERRUPT = 282;
/** 1 from an entry to the next exit: a run that is cut into slices, steps or turns stays in the guest between them. */
export const VCPU_IN_GUEST = 283;

/** What of CR0, CR4 and EFER the loaded MMU context was made for: mmuContext() of mmu-roots.ts. */
export const VCPU_MMU_CONTEXT = 300;
/** vcpu->arch.exception: vector + 1 of an exception that is still to be delivered, 0 = none; its error code. */
export const VCPU_PENDING_EXCEPTION = 301;
export const VCPU_PENDING_ERROR_CODE = 302;
/** vcpu->arch.write_fault_to_shadow_pgtable. */
export const VCPU_WRITE_FAULT_TO_SHADOW_PGTABLE = 303;
/** vcpu->arch.last_retry_eip and last_retry_addr, two words each. */
export const VCPU_LAST_RETRY_EIP = 304;
export const VCPU_LAST_RETRY_ADDR = 306;

/** Byte offset in a kvm_mmu_page header: page before this one in its hash chain, + 1; 0 = it is the first. */
export const SP_HASH_PREV = 60;

/** int32 in the vm region: 1 when each vCPU runs on a thread of its own. */
export const VM_THREADED = 508;
/** int32 index into a vCPU's block: crossings between reading memslots (odd) and not (guest-mode.ts). */
export const VCPU_SRCU = 319;
