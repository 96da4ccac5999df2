/**
 * Finding the unsync pages below a page (mmu_unsync_walk, mmu_pages_next and mmu_pages_clear_parents of arch/x86/kvm/mmu.c,
 * v3.11). A pass collects at most KVM_PAGE_ARRAY_NR of them, upper pages on the way counted, and is repeated until none is left.
 */
import { SP_UNSYNC_CHILD_BITMAP } from '../../arena/mmu-layout.ts';
import { PT_PAGE_SIZE_MASK, PT_PAGE_TABLE_LEVEL, type Mmu } from '../mmu/mmu.ts';
import { isShadowPresent } from '../mmu/mmu-spte.ts';
import { pageHeader, pageHpa, pageOfHpa, pageRole } from '../mmu/shadow-page-pool.ts';
import { roleLevel } from '../mmu/shadow-page-role.ts';
import { clearUnsyncChild, isUnsync, unsyncChildren } from './unsync.ts';
import { KVM_PAGE_ARRAY_NR, NO_PARENT, PATH_LEVELS } from './unsync-pages.ts';

const NO_SPACE = -1;

/** mmu_pages_add: true when the list is full. */
function add(mmu: Mmu, page: number, index: number): boolean {
  const pages = mmu.unsyncPages;
  if (isUnsync(mmu, page)) for (let i = 0; i < pages.nr; i++) if (pages.page[i] === page) return false;
  pages.page[pages.nr] = page;
  pages.index[pages.nr] = index;
  pages.nr += 1;
  return pages.nr === KVM_PAGE_ARRAY_NR;
}

/** What lies behind an entry whose bit is set: how many unsync pages (0: the bit is stale), or NO_SPACE. */
function visit(mmu: Mmu, page: number, index: number): number {
  const word = (pageHpa(mmu, page) >> 2) + 2 * index;
  const lo = mmu.i32[word];
  if (!isShadowPresent(mmu, lo, mmu.i32[word + 1]) || (lo & PT_PAGE_SIZE_MASK) !== 0) return 0;
  const child = pageOfHpa(mmu, lo & ~0xfff);
  if (unsyncChildren(mmu, child) !== 0) return add(mmu, child, index) ? NO_SPACE : walk(mmu, child);
  if (!isUnsync(mmu, child)) return 0;
  return add(mmu, child, index) ? NO_SPACE : 1;
}

/** __mmu_unsync_walk. */
function walk(mmu: Mmu, page: number): number {
  const bitmap = pageHeader(mmu, page) + (SP_UNSYNC_CHILD_BITMAP >> 2);
  let leaves = 0;
  for (let w = 0; w < 16; w++) {
    for (let bits = mmu.i32[bitmap + w]; bits !== 0; bits &= bits - 1) {
      const index = 32 * w + 31 - Math.clz32(bits & -bits);
      const found = visit(mmu, page, index);
      if (found === NO_SPACE) return NO_SPACE;
      if (found === 0) clearUnsyncChild(mmu, page, index);
      else leaves += found;
    }
  }
  return leaves;
}

/** mmu_unsync_walk, with the list emptied first: whether there is anything to do. */
export function unsyncWalk(mmu: Mmu, page: number): boolean {
  const pages = mmu.unsyncPages;
  pages.nr = 0;
  pages.parent.fill(NO_PARENT);
  if (unsyncChildren(mmu, page) === 0) return false;
  add(mmu, page, 0);
  return walk(mmu, page) !== 0;
}

/** mmu_pages_next: position of the next page of level 1 after `at` (−1 to begin), with the path to it; −1 at the end. */
export function nextUnsyncPage(mmu: Mmu, at: number): number {
  const pages = mmu.unsyncPages;
  for (let n = at + 1; n < pages.nr; n++) {
    const level = roleLevel(pageRole(mmu, pages.page[n]));
    if (level === PT_PAGE_TABLE_LEVEL) {
      pages.pathIndex[0] = pages.index[n];
      return n;
    }
    pages.parent[level - 2] = pages.page[n];
    pages.pathIndex[level - 1] = pages.index[n];
  }
  return -1;
}

/** mmu_pages_clear_parents: the page at the end of the path is unsync no more. */
export function clearPathParents(mmu: Mmu): void {
  const pages = mmu.unsyncPages;
  for (let level = 0; level < PATH_LEVELS; level++) {
    const page = pages.parent[level];
    if (page === NO_PARENT) return;
    clearUnsyncChild(mmu, page, pages.pathIndex[level]);
    if (unsyncChildren(mmu, page) !== 0) return;
  }
}
