/** mmu_page_hash (arch/x86/kvm/mmu.c of v3.11, mmu/mmu.c of v6.8): shadow pages by gfn, invalid roots that are still in use included. */
import { MMU_HASH_BUCKETS_V3, MMU_HASH_SHIFT, SP_HASH_NEXT } from '../../arena/mmu-layout.ts';
import { ERA_V6_8 } from '../eras.ts';
import type { Mmu } from './mmu.ts';
import { SP_HASH_PREV } from './mmu-words.ts';
import { isObsolete, NO_PAGE, pageGfnWord, pageHeader, pageRole } from './shadow-page-pool.ts';
import { ROLE_DIRECT, ROLE_INVALID } from './shadow-page-role.ts';

/** GOLDEN_RATIO_64 of include/linux/hash.h, in quarters from the lowest, and its low half. */
const GOLDEN_0 = 0x83eb;
const GOLDEN_1 = 0x80b5;
const GOLDEN_LOW = 0x80b5_83eb | 0;
const GOLDEN_HIGH = 0x61c8_8646;

/** hash_64: the highest bits of the low 64 bits of a product. */
function hash64(value: number, bits: number): number {
  const lo = value | 0;
  const hi = (value / 0x1_0000_0000) | 0;
  const lo0 = lo & 0xffff;
  const lo1 = lo >>> 16;
  // High half of the product of both low halves.
  const middle = lo1 * GOLDEN_0 + Math.floor((lo0 * GOLDEN_0) / 0x1_0000);
  const carry = (middle % 0x1_0000) + lo0 * GOLDEN_1;
  const high = lo1 * GOLDEN_1 + Math.floor(middle / 0x1_0000) + Math.floor(carry / 0x1_0000);
  return (((high | 0) + Math.imul(lo, GOLDEN_HIGH) + Math.imul(hi, GOLDEN_LOW)) | 0) >>> (32 - bits);
}

/** kvm_page_table_hashfn: the lowest bits of the gfn until 4.7, hash_64 since 4.8. */
export const hashOfGfn = (mmu: Mmu, gfn: number): number =>
  mmu.era === ERA_V6_8 ? hash64(gfn, MMU_HASH_SHIFT) : gfn % MMU_HASH_BUCKETS_V3;

/** int32 index of the head of gfn's hash chain. */
const bucketOf = (mmu: Mmu, gfn: number): number => (mmu.arena.layout.mmuHash >> 2) + hashOfGfn(mmu, gfn);

/**
 * What kvm_mmu_find_shadow_page of v6.8 comes by on its way: pages of other frames in the chain of this one, those that are
 * not valid left out.
 * @param end the page that was found, NO_PAGE when none was
 */
export function noteCollisions(mmu: Mmu, gfn: number, end: number): void {
  if (mmu.era !== ERA_V6_8) return;
  const { i32, f64 } = mmu;
  let collisions = 0;
  for (let page = i32[bucketOf(mmu, gfn)]; page !== end && page !== NO_PAGE;) {
    if (!isObsolete(mmu, page) && f64[pageGfnWord(mmu, page)] !== gfn) collisions++;
    page = i32[pageHeader(mmu, page) + (SP_HASH_NEXT >> 2)];
  }
  if (collisions > f64[mmu.cMaxHashCollisions]) f64[mmu.cMaxHashCollisions] = collisions;
}

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
