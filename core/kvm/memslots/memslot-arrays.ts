/** The arrays of a memslot in the slot heap (kvm_arch_create_memslot of arch/x86/kvm/x86.c, kvm_create_dirty_bitmap, v3.11). */
import type { Arena } from '../../arena/arena.ts';
import { allocateFromSlotHeap, freeToSlotHeap, SLOT_HEAP_FULL } from './slot-heap.ts';
import { gfnToIndex } from './memslots.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, type MemslotLimits } from './limits.ts';
import type { MemslotPlan } from './memslot-plan.ts';
import type { Memslot } from './memslot-table.ts';

export type SlotArrays = Pick<Memslot, 'rmap' | 'lpageInfo'>;
type Extent = Pick<Memslot, 'baseGfn' | 'npages'>;

/**
 * Entries of a level's array. One more than the kernel has at levels 2 and 3: MOVE keeps the arrays in v3.11, and a slot
 * moved to another alignment can reach one large page further than it did (there the kernel reads past its array).
 */
const entries = ({ baseGfn, npages }: Extent, level: number): number =>
  gfnToIndex(baseGfn + npages - 1, baseGfn, level) + (level === 1 ? 1 : 2);

/** Bytes of one dirty bitmap: whole 64-bit words (kvm_dirty_bitmap_bytes). */
export const dirtyBitmapBytes = (npages: number): number => Math.ceil(npages / 64) * 8;

/** What {@link createSlotArrays} asks the heap for, in order. */
export const slotArrayRequests = (extent: Extent): readonly number[] => [
  entries(extent, 1) * 8,
  entries(extent, 2) * 8,
  entries(extent, 2) * 4,
  entries(extent, 3) * 8,
  entries(extent, 3) * 4,
];

/** What carrying a plan out asks the heap for, beside a dirty bitmap: CREATE, and since 5.6 MOVE too, make new arrays. */
export const createSlotRequests = (plan: MemslotPlan, limits: MemslotLimits): readonly number[] =>
  needsSlotArrays(plan, limits) ? slotArrayRequests(plan) : [];

export const needsSlotArrays = (plan: MemslotPlan, limits: MemslotLimits): boolean =>
  plan.change === 'CREATE' || (plan.change === 'MOVE' && limits.rules === 'v6.18');

/** The request for a dirty bitmap where the change turns logging on. */
export const dirtyBitmapRequests = (plan: MemslotPlan): readonly number[] =>
  (plan.flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0 && (plan.old?.dirtyBitmap ?? 0) === 0
    ? [dirtyBitmapRequest(plan.npages)]
    : [];

/** Two bitmaps: the one that is set, and the buffer that GET_DIRTY_LOG answers from. */
export const dirtyBitmapRequest = (npages: number): number => 2 * dirtyBitmapBytes(npages);

/** @returns undefined, and nothing kept, when the heap has no room */
export function createSlotArrays(arena: Arena, extent: Extent, userspaceAddr: bigint): SlotArrays | undefined {
  const got: number[] = [];
  for (const bytes of slotArrayRequests(extent)) {
    const offset = allocateFromSlotHeap(arena, bytes);
    if (offset === SLOT_HEAP_FULL) {
      for (const earlier of got) freeToSlotHeap(arena, earlier);
      return undefined;
    }
    got.push(offset);
  }
  const [rmap1, rmap2, lpage2, rmap3, lpage3] = got;
  disallowUnalignedLargePages(arena, lpage2, extent, 2, userspaceAddr);
  disallowUnalignedLargePages(arena, lpage3, extent, 3, userspaceAddr);
  return { rmap: [rmap1, rmap2, rmap3], lpageInfo: [lpage2, lpage3] };
}

/**
 * write_count starts at 1 where no large page may be: in a first or last chunk that the slot only covers in part, and
 * everywhere when gfn and hva are not congruent modulo the large page.
 */
function disallowUnalignedLargePages(
  arena: Arena,
  lpageInfo: number,
  extent: Extent,
  level: number,
  userspaceAddr: bigint,
): void {
  const frames = level === 2 ? 512 : 262144;
  const count = entries(extent, level) - 1;
  const words = arena.i32.subarray(lpageInfo >> 2, (lpageInfo >> 2) + count + 1);
  words[count] = 1; // the entry past the end
  if (extent.baseGfn % frames !== 0) words[0] = 1;
  if ((extent.baseGfn + extent.npages) % frames !== 0) words[count - 1] = 1;
  if (extent.baseGfn % frames !== Number((userspaceAddr >> 12n) % BigInt(frames))) words.fill(1);
}

export function freeSlotArrays(arena: Arena, arrays: SlotArrays): void {
  for (const offset of [...arrays.rmap, ...arrays.lpageInfo]) freeToSlotHeap(arena, offset);
}
