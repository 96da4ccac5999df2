/**
 * struct kvm_mmu_pages and struct mmu_page_path (arch/x86/kvm/mmu.c of v3.11): the unsync pages that one pass over a tree
 * found, with the upper pages on the way to each, and the path to the one looked at. Scratch of one pass.
 */

/** KVM_PAGE_ARRAY_NR. */
export const KVM_PAGE_ARRAY_NR = 16;
/** PT64_ROOT_LEVEL − 1: a path has no entry for the leaf itself. */
export const PATH_LEVELS = 3;
export const NO_PARENT = -1;

export class UnsyncPages {
  nr = 0;
  readonly page = new Int32Array(KVM_PAGE_ARRAY_NR);
  readonly index = new Int32Array(KVM_PAGE_ARRAY_NR);
  /** The path: parent[n] is the page of level n + 2, pathIndex[n] the entry of it that leads down. */
  readonly parent = new Int32Array(PATH_LEVELS + 1);
  readonly pathIndex = new Int32Array(PATH_LEVELS + 1);
}
