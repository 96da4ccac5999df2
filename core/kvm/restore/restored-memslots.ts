/**
 * The slot heap and the memslot tables as they came out of a file: the heap is whole and nothing in it is handed out twice,
 * every slot that is published has arrays of its own in it, as large as the slot needs.
 */
import type { Arena } from '../../arena/arena.ts';
import { MEMSLOT_BYTES, MEMSLOT_RAM_OFFSET, MEMSLOTS_HEADER_BYTES, MEMSLOTS_USED } from '../../arena/memslot-layout.ts';
import { VM_ACTIVE_MEMSLOTS, VM_SLOT_HEAP_USED } from '../../arena/mmu-layout.ts';
import { RestoredWords } from '../../arena/restored-words.ts';
import { refuseUnless } from '../../base/restore-refused.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, type MemslotLimits } from '../memslots/limits.ts';
import { dirtyBitmapRequest, slotArrayRequests } from '../memslots/memslot-arrays.ts';
import { memslotById, ramOffsetOf, readMemslots, type Memslot } from '../memslots/memslot-table.ts';
import { activeMemslots } from '../memslots/memslots.ts';
import { slotHeapBlocks } from '../memslots/slot-heap.ts';

const MAX_GFN = 2 ** 40;

/** @throws RestoreRefused */
export function checkRestoredMemslots(arena: Arena, limits: MemslotLimits): void {
  const words = new RestoredWords(arena, arena.layout.vm, 'memslots');
  words.int(VM_ACTIVE_MEMSLOTS, 0, 1, 'the number of the active table');
  const blocks = checkHeap(words, arena);
  const table = activeMemslots(arena);
  const used = arena.i32[(table + MEMSLOTS_USED) >> 2];
  words.require(used >= 0 && used <= arena.layout.config.memslots, `the active table has ${used} slots`);
  const slots = readMemslots(arena, table);
  const taken = new Set<number>();
  for (const [index, slot] of slots.entries()) {
    const where = table + MEMSLOTS_HEADER_BYTES + index * MEMSLOT_BYTES;
    checkExtent(words, slot, limits);
    words.require(memslotById(arena, table, slot.id) === where, `the table of numbers does not find slot ${slot.id}`);
    const ram = arena.i32[(where + MEMSLOT_RAM_OFFSET) >> 2];
    words.require(ram === ramOffsetOf(arena, slot), `slot ${slot.id} says that its memory is at ${ram}`);
    checkArrays(words, slot, blocks, taken);
  }
  checkOrder(words, slots);
  const idMap = (table + MEMSLOTS_HEADER_BYTES + arena.layout.config.memslots * MEMSLOT_BYTES) >> 2;
  const named = arena.i32.subarray(idMap, idMap + arena.layout.config.memslots).filter((index) => index !== 0).length;
  words.require(named === used, `the table of numbers names ${named} slots of ${used}`);
}

/** Allocated blocks by where their bytes begin: how many there are of them. */
function checkHeap(words: RestoredWords, arena: Arena): ReadonlyMap<number, number> {
  const heap = slotHeapBlocks(arena);
  refuseUnless(heap !== undefined, 'memslots: the slot heap is broken.');
  const used = words.int(VM_SLOT_HEAP_USED, 0, arena.layout.slotHeapBytes, 'the heap in use');
  words.require(heap.usedBytes === used, `${heap.usedBytes} bytes of the slot heap are in use, its count says ${used}`);
  return heap.allocated;
}

function checkExtent(words: RestoredWords, { id, baseGfn, npages, flags }: Memslot, limits: MemslotLimits): void {
  words.require(id >= 0 && id < limits.userSlots, `there is a slot ${id}`);
  const whole = Number.isInteger(baseGfn) && Number.isInteger(npages);
  const placed = whole && baseGfn >= 0 && npages >= 1 && npages <= Number(limits.maxPages);
  words.require(placed && baseGfn + npages <= MAX_GFN, `slot ${id} has ${npages} pages at gfn ${baseGfn}`);
  words.require((flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)) === 0, `slot ${id} has flags ${flags}`);
}

/** One block for each array; a slot that does not log has no bitmap. */
function checkArrays(
  words: RestoredWords,
  slot: Memslot,
  blocks: ReadonlyMap<number, number>,
  taken: Set<number>,
): void {
  const claim = (offset: number, bytes: number): void => {
    const room = blocks.get(offset) ?? -1;
    words.require(room >= bytes && !taken.has(offset), `an array of slot ${slot.id} is not in a block of its own`);
    taken.add(offset);
  };
  const [rmap1, rmap2, lpage2, rmap3, lpage3] = slotArrayRequests(slot);
  // MOVE keeps arrays that were made for another alignment: they may be an entry shorter than a new slot's here.
  const spare = (bytes: number, entry: number): number => bytes - entry;
  claim(slot.rmap[0], rmap1);
  claim(slot.rmap[1], spare(rmap2, 8));
  claim(slot.lpageInfo[0], spare(lpage2, 4));
  claim(slot.rmap[2], spare(rmap3, 8));
  claim(slot.lpageInfo[1], spare(lpage3, 4));
  const logs = (slot.flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0;
  words.require(logs === (slot.dirtyBitmap !== 0), `the dirty bitmap of slot ${slot.id} does not go with its flags`);
  if (logs) claim(slot.dirtyBitmap, dirtyBitmapRequest(slot.npages));
}

function checkOrder(words: RestoredWords, slots: readonly Memslot[]): void {
  for (let n = 1; n < slots.length; n++) {
    words.require(slots[n - 1].npages >= slots[n].npages, 'slots are not sorted by size');
  }
  const byPlace = slots.toSorted((a, b) => a.baseGfn - b.baseGfn);
  for (let n = 1; n < byPlace.length; n++) {
    const apart = byPlace[n - 1].baseGfn + byPlace[n - 1].npages <= byPlace[n].baseGfn;
    words.require(apart, `slots ${byPlace[n - 1].id} and ${byPlace[n].id} overlap`);
  }
}
