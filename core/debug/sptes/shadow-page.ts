/** Shadow page headers and roles as readers need them (struct kvm_mmu_page and union kvm_mmu_page_role of v3.11). */
import type { Arena } from '../../arena/arena.ts';
import {
  MMU_PAGE_BYTES,
  SP_GFN,
  SP_GFNS,
  SP_IN_USE,
  SP_PARENT_PTES,
  SP_ROLE,
  SP_UNSYNC,
} from '../../arena/mmu-layout.ts';

export const ENTRIES_PER_PAGE = 512;
const PAGE = 4096;

export const pageHeader = (arena: Arena, index: number): number => arena.layout.mmuPages + index * MMU_PAGE_BYTES;
export const pageInUse = (arena: Arena, index: number): boolean =>
  arena.i32[(pageHeader(arena, index) + SP_IN_USE) >> 2] !== 0;
/** hpa of the page itself. */
export const pageTable = (arena: Arena, index: number): number => arena.layout.shadowPages + index * PAGE;
export const pageRole = (arena: Arena, index: number): number => arena.i32[(pageHeader(arena, index) + SP_ROLE) >> 2];

export const pageUnsync = (arena: Arena, index: number): boolean =>
  arena.i32[(pageHeader(arena, index) + SP_UNSYNC) >> 2] !== 0;

export const roleLevel = (role: number): number => role & 15;
export const roleIsDirect = (role: number): boolean => (role & (1 << 13)) !== 0;
export const roleIsInvalid = (role: number): boolean => (role & (1 << 17)) !== 0;

/** The first frame that a page translates. */
export const pageGfn = (arena: Arena, page: number): number => arena.f64[(pageHeader(arena, page) + SP_GFN) >> 3];

/** The frames of a page's entries where they are in no order of their own (struct kvm_mmu_page's gfns). */
export function gfnList(arena: Arena, page: number): Float64Array | undefined {
  const gfns = arena.i32[(pageHeader(arena, page) + SP_GFNS) >> 2];
  if (roleIsDirect(pageRole(arena, page)) || gfns === 0) return undefined;
  return arena.f64.subarray(gfns >> 3, (gfns >> 3) + ENTRIES_PER_PAGE);
}

/** kvm_mmu_page_get_gfn: the frame that entry `entry` of a page translates. */
export function entryGfn(arena: Arena, page: number, entry: number): number {
  const list = gfnList(arena, page);
  return list === undefined ? steppedGfn(pageGfn(arena, page), pageRole(arena, page), entry) : list[entry];
}

/** Of a page whose entries map one frame after the other. */
export const steppedGfn = (first: number, role: number, entry: number): number =>
  first + entry * 2 ** (9 * (roleLevel(role) - 1));

/** Index of the page that holds the (first) parent spte, −1 for a root. */
export function parentPage(arena: Arena, page: number): number {
  const word = arena.i32[(pageHeader(arena, page) + SP_PARENT_PTES) >> 2];
  if (word === 0) return -1;
  // Several parents: the list's descriptor holds spte offsets from its start.
  const spte = (word & 1) === 0 ? word : arena.i32[(word & ~1) >> 2];
  return Math.floor((spte - arena.layout.shadowPages) / PAGE);
}
