/** struct kvm's scalars, kvm_mmu_page headers and rmap descriptors. Written under mmu_lock unless said otherwise. */

/** VM scalars: byte offsets in the `vm` region. */
export const VM_ACTIVE_MEMSLOTS = 0; // int32, 0 or 1: which table is published (Atomics)
export const VM_MMU_VALID_GEN = 4; // int32
export const VM_N_USED_MMU_PAGES = 8; // int32
export const VM_N_MAX_MMU_PAGES = 12; // int32
export const VM_N_REQUESTED_MMU_PAGES = 16; // int32
/** active_mmu_pages: index of newest and oldest page, −1 when empty. */
export const VM_ACTIVE_HEAD = 20; // int32
export const VM_ACTIVE_TAIL = 24; // int32
/** Head of the free list of the shadow page pool, −1 when empty. */
export const VM_FREE_HEAD = 28; // int32
export const VM_TLBS_DIRTY = 32; // int32
export const VM_INDIRECT_SHADOW_PAGES = 36; // int32
export const VM_MMU_LOCK = 40; // int32, Atomics: 0 free, 1 held
export const VM_MMU_MODE = 44; // int32: 1 EPT, 2 NPT, 3 shadow
export const VM_ERA = 48; // int32: index into ERAS
export const VM_MAXPHYADDR = 52; // int32, host
export const VM_PTE_LIST_FREE = 56; // int32, head of the free descriptors, 0 = none
export const VM_SLOT_HEAP_USED = 60; // int32
/** shadow_mmio_mask as u64. */
export const VM_SHADOW_MMIO_MASK = 64;
/** Tracepoint enable mask: two words, bit per TP id below 64; a third for ours. Read by emitters, set by the control side. */
export const VM_TRACE_MASK = 72; // 3 × int32
/** Live MMIO sptes, kept up to date by whoever writes or clears one (a count for people, not for KVM). */
export const VM_MMIO_SPTES = 84; // int32
/** Free for core/kvm: bytes 88 … 511. VM counters (VM_COUNTERS) as float64 from here. */
export const VM_COUNTERS_AT = 512;
export const VM_BYTES = 4096;

/** Heads of mmu_page_hash: KVM_MMU_HASH_SHIFT is 12 since 4.8; until then it was 10, and only the first 1024 are in use. */
export const MMU_HASH_SHIFT = 12;
export const MMU_HASH_BUCKETS = 1 << MMU_HASH_SHIFT;
export const MMU_HASH_BUCKETS_V3 = 1 << 10;

/**
 * struct kvm_mmu_page: one 128-byte block per page of the pool (an index, not an address, names a page). Byte offsets.
 * page index i ↔ shadow page at layout.shadowPages + i × 4096.
 */
export const SP_GFN = 0; // float64: guest table's frame (indirect) or first gfn mapped (direct)
export const SP_ROLE = 8; // int32, v3.11 bit layout (reference §4.2)
export const SP_ROOT_COUNT = 12; // int32
export const SP_MMU_VALID_GEN = 16; // int32
export const SP_UNSYNC = 20; // int32 0/1
export const SP_UNSYNC_CHILDREN = 24; // int32
export const SP_WRITE_FLOODING_COUNT = 28; // int32
/** The boolean that 3.10 and the seed patch walk by; unused in v3.11. */
export const SP_MMIO_CACHED = 32; // int32 0/1
/** active_mmu_pages / invalid list links: page indexes, −1 = none. */
export const SP_LINK_NEXT = 36; // int32 (older)
export const SP_LINK_PREV = 40; // int32 (newer)
export const SP_HASH_NEXT = 44; // int32 page index, −1 = none
/** parent_ptes: pte_list word (0 none; even: arena offset of the one parent spte; odd: descriptor offset | 1). */
export const SP_PARENT_PTES = 48; // int32
/** 1 while the page is on active_mmu_pages or an invalid list, 0 in the pool. */
export const SP_IN_USE = 52; // int32
/** Set for indirect pages: arena offset of the gfns array (512 doubles in layout.shadowGfns), 0 = none (direct pages). */
export const SP_GFNS = 56; // int32
/**
 * 512-bit unsync_child_bitmap. A set bit says that the entry may lead to an unsync page; SP_UNSYNC_CHILDREN is its popcount.
 * As in KVM a bit can outlive what it was set for (the child was zapped or synced from elsewhere) until the next pass over it.
 */
export const SP_UNSYNC_CHILD_BITMAP = 64; // 64 bytes
export const MMU_PAGE_BYTES = 128;

/** pte_list_desc: PTE_LIST_EXT = 3 int32 spte offsets, then int32 offset of the next descriptor. */
export const PTE_LIST_EXT = 3;
export const PTE_LIST_DESC_BYTES = 16;
