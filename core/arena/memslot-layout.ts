/**
 * Memslot tables. Two of them per VM: readers use the active one, an update fills the other and publishes it together with
 * its generation by one atomic store (VM_ACTIVE_MEMSLOTS in mmu-layout.ts), as install_new_memslots does with SRCU.
 * Writer: whoever holds slots_lock (the control side). Readers: anyone, without a lock.
 */

/** Table header: u64 generation; int32 count of used slots; int32 reserved. Byte offsets. */
export const MEMSLOTS_GENERATION = 0;
export const MEMSLOTS_USED = 8;
export const MEMSLOTS_HEADER_BYTES = 64;

/** One slot: byte offsets inside its block. A slot with npages 0 is empty. */
export const MEMSLOT_BASE_GFN = 0; // float64
export const MEMSLOT_NPAGES = 8; // float64
export const MEMSLOT_USERSPACE_ADDR = 16; // u64 hva
export const MEMSLOT_ID = 24; // int32
/** KVM_MEM_LOG_DIRTY_PAGES 1, KVM_MEM_READONLY 2, KVM_MEMSLOT_INVALID 1 << 16. */
export const MEMSLOT_FLAGS = 28; // int32
/** Arena offsets of the slot's arrays in the slot heap, 0 when absent. */
export const MEMSLOT_RMAP = 32; // 3 × int32: levels 1, 2, 3 — one u64 word per frame of that level
export const MEMSLOT_LPAGE_INFO = 44; // 2 × int32: levels 2, 3 — one int32 write_count per frame of that level
export const MEMSLOT_DIRTY_BITMAP = 52; // int32; twice the needed bytes, the second half is GET_DIRTY_LOG's buffer
/** Arena offset of the frame behind base_gfn when the hva range lies in the RAM region, else −1 (lookups give KVM_PFN_ERR_FAULT). */
export const MEMSLOT_RAM_OFFSET = 56; // int32
export const MEMSLOT_BYTES = 64;
