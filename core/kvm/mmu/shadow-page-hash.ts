/** mmu_page_hash (arch/x86/kvm/mmu.c of v3.11): shadow pages by gfn, invalid roots that are still in use included. */
import { MMU_HASH_BUCKETS, SP_HASH_NEXT } from '../../arena/mmu-layout.ts';
import type { Mmu } from './mmu.ts';
import { SP_HASH_PREV } from './mmu-words.ts';
import { NO_PAGE, pageGfnWord, pageHeader, pageRole } from './shadow-page-pool.ts';
import { ROLE_DIRECT, ROLE_INVALID } from './shadow-page-role.ts';

/** int32 index of the head of gfn's hash chain: kvm_page_table_hashfn. */
const bucketOf = (mmu: Mmu, gfn: number): number => (mmu.arena.layout.mmuHash >> 2) + (gfn % MMU_HASH_BUCKETS);

export function hashAdd(mmu: Mmu, page: number, gfn: number): void {
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

function fromOn(mmu: Mmu, start: number, gfn: number): number {
  let page = start;
  while (page !== NO_PAGE && mmu.f64[pageGfnWord(mmu, page)] !== gfn) {
    page = mmu.i32[pageHeader(mmu, page) + (SP_HASH_NEXT >> 2)];
  }
  return page;
}

/** for_each_gfn_sp: the first page of a gfn, and the one after a page; NO_PAGE at the end. */
export const firstPageOfGfn = (mmu: Mmu, gfn: number): number => fromOn(mmu, mmu.i32[bucketOf(mmu, gfn)], gfn);
export const nextPageOfGfn = (mmu: Mmu, page: number, gfn: number): number =>
  fromOn(mmu, mmu.i32[pageHeader(mmu, page) + (SP_HASH_NEXT >> 2)], gfn);

function indirectFrom(mmu: Mmu, start: number, gfn: number): number {
  let page = start;
  while (page !== NO_PAGE && (pageRole(mmu, page) & (ROLE_DIRECT | ROLE_INVALID)) !== 0) {
    page = nextPageOfGfn(mmu, page, gfn);
  }
  return page;
}

/** for_each_gfn_indirect_valid_sp: pages that shadow the guest page table at gfn. Zapping the one in hand does no harm. */
export const firstIndirectPage = (mmu: Mmu, gfn: number): number => indirectFrom(mmu, firstPageOfGfn(mmu, gfn), gfn);
export const nextIndirectPage = (mmu: Mmu, page: number, gfn: number): number =>
  indirectFrom(mmu, nextPageOfGfn(mmu, page, gfn), gfn);
