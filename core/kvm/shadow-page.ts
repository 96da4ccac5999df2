/** kvm_mmu_get_page and link_shadow_page (arch/x86/kvm/mmu.c of v3.11): finding a shadow page by gfn and role, or making one. */
import {
  MMU_HASH_BUCKETS,
  SP_HASH_NEXT,
  SP_MMU_VALID_GEN,
  SP_PARENT_PTES,
  SP_ROLE,
  SP_WRITE_FLOODING_COUNT,
} from '../arena/mmu-layout.ts';
import type { Mmu } from './mmu.ts';
import { mmuSpteSet } from './mmu-spte.ts';
import { SP_HASH_PREV, VCPU_BASE_ROLE } from './mmu-words.ts';
import { pteListAdd } from './rmap-list.ts';
import { activeListAdd, isObsolete, NO_PAGE, pageGfnWord, pageHeader, pageHpa, takePage } from './shadow-page-pool.ts';
import { directRole } from './shadow-page-role.ts';
import { traceMmuGetPage } from './trace-events.ts';

/** int32 index of the head of gfn's hash chain: kvm_page_table_hashfn. */
const bucketOf = (mmu: Mmu, gfn: number): number => (mmu.arena.layout.mmuHash >> 2) + (gfn % MMU_HASH_BUCKETS);

function hashAdd(mmu: Mmu, page: number, gfn: number): void {
  const { i32 } = mmu;
  const bucket = bucketOf(mmu, gfn);
  const first = i32[bucket];
  const header = pageHeader(mmu, page);
  i32[header + (SP_HASH_NEXT >> 2)] = first;
  i32[header + (SP_HASH_PREV >> 2)] = 0;
  if (first !== NO_PAGE) i32[pageHeader(mmu, first) + (SP_HASH_PREV >> 2)] = page + 1;
  i32[bucket] = page;
}

export function hashRemove(mmu: Mmu, page: number): void {
  const { i32 } = mmu;
  const header = pageHeader(mmu, page);
  const next = i32[header + (SP_HASH_NEXT >> 2)];
  const previous = i32[header + (SP_HASH_PREV >> 2)];
  if (previous === 0) i32[bucketOf(mmu, mmu.f64[pageGfnWord(mmu, page)])] = next;
  else i32[pageHeader(mmu, previous - 1) + (SP_HASH_NEXT >> 2)] = next;
  if (next !== NO_PAGE) i32[pageHeader(mmu, next) + (SP_HASH_PREV >> 2)] = previous;
}

/**
 * kvm_mmu_get_page for direct pages. Shadowing guest page tables (indirect pages: write protection of the guest's table,
 * unsync, quadrants) will enter here.
 * @param parentPte hpa of the spte that will point at the page, 0 for a root
 */
export function getDirectPage(
  mmu: Mmu,
  vcpuId: number,
  gfn: number,
  level: number,
  access: number,
  parentPte: number,
): number {
  const { i32, f64 } = mmu;
  const role = directRole(i32[mmu.vcpuBlock(vcpuId) + VCPU_BASE_ROLE], level, access);
  for (let page = i32[bucketOf(mmu, gfn)]; page !== NO_PAGE;) {
    const header = pageHeader(mmu, page);
    if (f64[pageGfnWord(mmu, page)] === gfn && !isObsolete(mmu, page) && i32[header + (SP_ROLE >> 2)] === role) {
      if (parentPte !== 0) pteListAdd(mmu, header + (SP_PARENT_PTES >> 2), parentPte);
      i32[header + (SP_WRITE_FLOODING_COUNT >> 2)] = 0;
      traceMmuGetPage(mmu.arena, vcpuId, header << 2, false);
      return page;
    }
    page = i32[header + (SP_HASH_NEXT >> 2)];
  }
  f64[mmu.cCacheMiss] += 1;
  const page = takePage(mmu);
  const header = pageHeader(mmu, page);
  activeListAdd(mmu, page);
  if (parentPte !== 0) pteListAdd(mmu, header + (SP_PARENT_PTES >> 2), parentPte);
  i32[mmu.usedPages] += 1;
  f64[pageGfnWord(mmu, page)] = gfn;
  i32[header + (SP_ROLE >> 2)] = role;
  hashAdd(mmu, page, gfn);
  i32[header + (SP_MMU_VALID_GEN >> 2)] = i32[mmu.validGen];
  const table = pageHpa(mmu, page) >> 2;
  i32.fill(0, table, table + 1024);
  traceMmuGetPage(mmu.arena, vcpuId, header << 2, true);
  return page;
}

/** link_shadow_page: upper levels grant everything; what a mapping allows is said in its leaf. */
export function linkShadowPage(mmu: Mmu, sptep: number, page: number): void {
  mmuSpteSet(mmu, sptep, pageHpa(mmu, page) | mmu.linkBits, 0);
}
