/**
 * struct guest_walker (arch/x86/kvm/paging_tmpl.h of v3.11): what a walk of the guest's page tables found. One object serves
 * every fault of a VM, so that none allocates; it is scratch and good only until the next walk.
 */

/** PT_MAX_FULL_LEVELS; entries of level n are at n − 1. One more, because v3.11 writes one too far: see walkAddr. */
const LEVELS = 5;
/** PTE_PREFETCH_NUM. */
export const PTE_PREFETCH_NUM = 8;

export class GuestWalker {
  /** Level of the entry that maps the page. */
  level = 0;
  /** Level of the first table walked: for PAE the page directory. */
  maxLevel = 0;
  readonly tableGfn = new Float64Array(LEVELS);
  /** Byte offset of the entry in its table. */
  readonly entryOffset = new Int32Array(LEVELS);
  readonly ptesLo = new Int32Array(LEVELS);
  readonly ptesHi = new Int32Array(LEVELS);
  /** Arena offset of the entry: ptep_user. */
  readonly ptep = new Int32Array(LEVELS);
  /** The last table's eight entries around the one walked, as fetch read them again. */
  readonly prefetchLo = new Int32Array(PTE_PREFETCH_NUM);
  readonly prefetchHi = new Int32Array(PTE_PREFETCH_NUM);
  /** ACC_* of the entries above level n, at n − 1: what a table of that level inherits. */
  readonly accessAbove = new Int32Array(LEVELS);
  /** ACC_* of the levels above the last, and of all. */
  ptAccess = 0;
  pteAccess = 0;
  /** The frame that the address leads to. */
  gfn = 0;
  /** Error code of the #PF when the walk failed. */
  errorCode = 0;
}
