/**
 * How the words from VCPU_TLB on are used: scratch of the walkers, the paging-structure caches, guest-physical mappings,
 * marks of code pages, the TLB. int32 indexes into the vCPU's block. All of it is cache: it may be cleared at any time
 * between two instructions (code marks excepted: they go when the decodes go).
 */
import { VCPU_TLB } from '../../arena/vcpu-layout.ts';

/** Entries filled since the last flush: a count, then their indexes. */
export const TLB_LOG_COUNT = VCPU_TLB;
export const TLB_LOG = VCPU_TLB + 1;
export const TLB_LOG_SIZE = 127;
/** 1: some entry is a piece of a large page. */
export const TLB_LARGE_SEEN = VCPU_TLB + 128;

/** Results of the last walk of a nested or shadow page table: RIGHT_*, or the error code of the fault. */
export const HOST_WALK_RIGHTS = VCPU_TLB + 136;
export const HOST_WALK_ERROR = VCPU_TLB + 137;
/** Results of the last guest walk: guest physical address (two words) and RIGHT_*. */
export const GUEST_WALK_GPA = VCPU_TLB + 138;
export const GUEST_WALK_RIGHTS = VCPU_TLB + 140;
/** Kind of the access that the last slow translation was for (PFERR_WRITE | USER | FETCH). */
export const LAST_ACCESS = VCPU_TLB + 141;
/** The descriptor that was fetched last: low and high half, and of a 16-byte one bits 64–95 (segments-descriptor.ts). */
export const DESCRIPTOR = VCPU_TLB + 144;
/** Arena pages written by other vCPUs that this one decoded from: a count, then page numbers (system-code-pages.ts). */
export const STALE_CODE_COUNT = VCPU_TLB + 160;
export const STALE_CODE = VCPU_TLB + 161;
export const STALE_CODE_SIZE = 63;
/** Held while the list is written or taken, by vCPUs on threads of their own. */
export const STALE_CODE_LOCK = VCPU_TLB + 224;

/** 128 × 8 words: page tables by 2 MiB (4 MiB with 32-bit paging). */
export const PDE_CACHE = VCPU_TLB + 256;
/** 32 × 8 words: page directories by 1 GiB. */
export const PDPTE_CACHE = VCPU_TLB + 1280;
export const PAGING_CACHES_END = VCPU_TLB + 1536;
/** 512 × 4 words: guest-physical mappings. */
export const NESTED_TLB = PAGING_CACHES_END;
export const NESTED_TLB_END = NESTED_TLB + 2048;

/** The TLB's supervisor half; the user half follows. 1024 entries of 8 words each. */
export const TLB_AT = 8192;
export const TLB_HALF_WORDS = 8192;
export const TLB_ENTRY_WORDS = 8;
export const TLB_END = TLB_AT + 2 * TLB_HALF_WORDS;

/** Bit map of arena pages, modulo its size, that this vCPU holds decoded instructions from. */
export const CODE_MARKS = TLB_END;
export const CODE_MARK_WORDS = 8192;
