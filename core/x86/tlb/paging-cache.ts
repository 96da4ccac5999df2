/**
 * Paging-structure caches (SDM vol 3A, "Caching Translation Information"): which page table, or page directory, a stretch
 * of linear addresses leads to, and the rights collected on the way. They let a walk that ends at a page never entered into
 * the TLB (MMIO) begin at its last level. As on hardware an entry is the combination of the guest's tables and the second
 * level: it holds the arena page of the next table.
 *
 * Entered only when the A bits of all entries it stands for are set.
 */
import { PAGING_CACHES_END, PDE_CACHE, PDPTE_CACHE } from './tlb-layout.ts';

const PDE_CACHE_MASK = 127;
const PDPTE_CACHE_MASK = 31;
const ENTRY_SHIFT = 3;

// Key: low half of the linear address cut to the stretch, bit 0 set in use; high half.
export const C_KEY = 0;
export const C_KEY_HIGH = 1;
/** Arena offset of the next table. */
export const C_PAGE = 2;
/** Its guest physical address (two words). */
export const C_GPA = 3;
/** RIGHT_* collected so far. */
export const C_RIGHTS = 5;

/** int32 index of the entry that leads to the page table of a linear address, or 0. `shift`: 21, or 22 with 32-bit paging. */
export function findPageTable(r: Int32Array, lo: number, hi: number, shift: number): number {
  const c = PDE_CACHE + (((lo >>> shift) & PDE_CACHE_MASK) << ENTRY_SHIFT);
  return r[c + C_KEY] === (((lo >>> shift) << shift) | 1) && r[c + C_KEY_HIGH] === hi ? c : 0;
}

export function findPageDirectory(r: Int32Array, lo: number, hi: number): number {
  const c = PDPTE_CACHE + ((((hi << 2) | (lo >>> 30)) & PDPTE_CACHE_MASK) << ENTRY_SHIFT);
  return r[c + C_KEY] === ((lo & 0xc000_0000) | 1) && r[c + C_KEY_HIGH] === hi ? c : 0;
}

function enter(
  r: Int32Array,
  c: number,
  key: number,
  hi: number,
  page: number,
  gpaLo: number,
  gpaHi: number,
  rights: number,
): void {
  r[c + C_KEY] = key | 1;
  r[c + C_KEY_HIGH] = hi;
  r[c + C_PAGE] = page;
  r[c + C_GPA] = gpaLo;
  r[c + C_GPA + 1] = gpaHi;
  r[c + C_RIGHTS] = rights;
}

export function enterPageTable(
  r: Int32Array,
  lo: number,
  hi: number,
  shift: number,
  page: number,
  gpaLo: number,
  gpaHi: number,
  rights: number,
): void {
  const c = PDE_CACHE + (((lo >>> shift) & PDE_CACHE_MASK) << ENTRY_SHIFT);
  enter(r, c, (lo >>> shift) << shift, hi, page, gpaLo, gpaHi, rights);
}

export function enterPageDirectory(
  r: Int32Array,
  lo: number,
  hi: number,
  page: number,
  gpaLo: number,
  gpaHi: number,
  rights: number,
): void {
  const c = PDPTE_CACHE + ((((hi << 2) | (lo >>> 30)) & PDPTE_CACHE_MASK) << ENTRY_SHIFT);
  enter(r, c, lo & 0xc000_0000, hi, page, gpaLo, gpaHi, rights);
}

export function flushPagingCaches(r: Int32Array): void {
  r.fill(0, PDE_CACHE, PAGING_CACHES_END);
}
