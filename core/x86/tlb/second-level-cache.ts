/**
 * Guest-physical mappings (SDM vol 3C, "Information That May Be Cached"): guest frame → arena page with the rights of
 * the second level. They serve the walker's accesses to guest tables and the ends of ordinary walks. Faulting translations
 * are never entered, and an access that an entry does not allow walks again, as hardware does on an EPT violation.
 */
import { NESTED_TLB, NESTED_TLB_END } from './tlb-layout.ts';

const NESTED_ENTRIES_MASK = 511;
const NESTED_SHIFT = 2;

// Tag: low half of the guest physical address of the page's last byte (never 0), and the high half.
export const N_TAG = 0;
export const N_HIGH = 1;
export const N_PAGE = 2;
export const N_RIGHTS = 3;

/** What the second level lets through; the bits of an EPT entry. */
export const NESTED_READ = 1;
export const NESTED_WRITE = 2;
export const NESTED_EXECUTE = 4;

/** int32 index of the entry for a guest physical address, or 0. */
export function findNested(r: Int32Array, gpaLo: number, gpaHi: number): number {
  const n = NESTED_TLB + (((gpaLo >>> 12) & NESTED_ENTRIES_MASK) << NESTED_SHIFT);
  return r[n + N_TAG] === (gpaLo | 0xfff) && r[n + N_HIGH] === gpaHi ? n : 0;
}

/** Returns the entry's index. */
export function enterNested(r: Int32Array, gpaLo: number, gpaHi: number, page: number, rights: number): number {
  const n = NESTED_TLB + (((gpaLo >>> 12) & NESTED_ENTRIES_MASK) << NESTED_SHIFT);
  r[n + N_TAG] = gpaLo | 0xfff;
  r[n + N_HIGH] = gpaHi;
  r[n + N_PAGE] = page;
  r[n + N_RIGHTS] = rights;
  return n;
}

export function flushNestedTlb(r: Int32Array): void {
  r.fill(0, NESTED_TLB, NESTED_TLB_END);
}
