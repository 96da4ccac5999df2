/**
 * Memory for what hangs on a memslot: rmap words, lpage_info, dirty bitmaps. First fit over a free list in address order,
 * neighbours merged when freed; all of its state lies in the arena's slot heap region, so a restored arena brings it along.
 *
 * Region: int32 `initialised`, int32 arena offset of the first free block (0 none), then from byte 64 on the blocks. A block
 * begins with a 16-byte head: int32 size in bytes with the head, int32 next free block (while it is free).
 */
import type { Arena } from '../../arena/arena.ts';
import { VM_SLOT_HEAP_USED } from '../../arena/mmu-layout.ts';
import { assert } from '../../base/assert.ts';

const INITIALISED = 0;
const FREE_HEAD = 4;
const FIRST_BLOCK = 64;
const BLOCK_SIZE = 0;
const BLOCK_NEXT = 4;
const HEAD_BYTES = 16;
const GRAIN = 16;

/** What `allocateFromSlotHeap` says when there is no room. */
export const SLOT_HEAP_FULL = 0;

/** Bytes of the block that holds a request, or −1 when no heap could. */
function blockBytes(arena: Arena, bytes: number): number {
  assert(Number.isSafeInteger(bytes) && bytes > 0, 'a slot heap request must be a positive number of bytes');
  if (bytes > arena.layout.slotHeapBytes) return -1;
  return Math.ceil(bytes / GRAIN) * GRAIN + HEAD_BYTES;
}

function initialise(arena: Arena): void {
  const { i32, layout } = arena;
  const heap = layout.slotHeap;
  if (i32[(heap + INITIALISED) >> 2] !== 0) return;
  const first = heap + FIRST_BLOCK;
  i32[(first + BLOCK_SIZE) >> 2] = layout.slotHeapBytes - FIRST_BLOCK;
  i32[(first + BLOCK_NEXT) >> 2] = 0;
  i32[(heap + FREE_HEAD) >> 2] = first;
  i32[(heap + INITIALISED) >> 2] = 1;
}

/** @returns arena offset of that many zeroed bytes, 16-byte aligned, or {@link SLOT_HEAP_FULL} */
export function allocateFromSlotHeap(arena: Arena, bytes: number): number {
  const { i32, layout } = arena;
  const size = blockBytes(arena, bytes);
  if (size < 0) return SLOT_HEAP_FULL;
  initialise(arena);
  let link = layout.slotHeap + FREE_HEAD;
  for (let block = i32[link >> 2]; block !== 0; block = i32[link >> 2]) {
    const room = i32[(block + BLOCK_SIZE) >> 2];
    if (room >= size) {
      // A rest too small for a block of its own stays with this one.
      const taken = room - size >= HEAD_BYTES + GRAIN ? size : room;
      let next = i32[(block + BLOCK_NEXT) >> 2];
      if (taken < room) {
        const rest = block + taken;
        i32[(rest + BLOCK_SIZE) >> 2] = room - taken;
        i32[(rest + BLOCK_NEXT) >> 2] = next;
        next = rest;
      }
      i32[link >> 2] = next;
      i32[(block + BLOCK_SIZE) >> 2] = taken;
      i32[(block + BLOCK_NEXT) >> 2] = 0;
      i32[(layout.vm + VM_SLOT_HEAP_USED) >> 2] += taken;
      arena.u8.fill(0, block + HEAD_BYTES, block + taken);
      return block + HEAD_BYTES;
    }
    link = block + BLOCK_NEXT;
  }
  return SLOT_HEAP_FULL;
}

/** Gives back what `allocateFromSlotHeap` gave; 0 is nothing. */
export function freeToSlotHeap(arena: Arena, offset: number): void {
  if (offset === 0) return;
  const { i32, layout } = arena;
  const block = offset - HEAD_BYTES;
  const end = layout.slotHeap + layout.slotHeapBytes;
  assert(block >= layout.slotHeap + FIRST_BLOCK && block < end, 'this was not allocated from the slot heap');
  const size = i32[(block + BLOCK_SIZE) >> 2];
  i32[(layout.vm + VM_SLOT_HEAP_USED) >> 2] -= size;
  let before = 0;
  let after = i32[(layout.slotHeap + FREE_HEAD) >> 2];
  while (after !== 0 && after < block) {
    before = after;
    after = i32[(after + BLOCK_NEXT) >> 2];
  }
  assert(after !== block, 'slot heap block freed twice');
  const mergesAfter = after !== 0 && block + size === after;
  i32[(block + BLOCK_SIZE) >> 2] = mergesAfter ? size + i32[(after + BLOCK_SIZE) >> 2] : size;
  i32[(block + BLOCK_NEXT) >> 2] = mergesAfter ? i32[(after + BLOCK_NEXT) >> 2] : after;
  if (before === 0) {
    i32[(layout.slotHeap + FREE_HEAD) >> 2] = block;
  } else if (before + i32[(before + BLOCK_SIZE) >> 2] === block) {
    i32[(before + BLOCK_SIZE) >> 2] += i32[(block + BLOCK_SIZE) >> 2];
    i32[(before + BLOCK_NEXT) >> 2] = i32[(block + BLOCK_NEXT) >> 2];
  } else {
    i32[(before + BLOCK_NEXT) >> 2] = block;
  }
}

/** Whether these requests, made one after the other, would all be granted. Changes nothing. */
export function slotHeapHasRoomFor(arena: Arena, requests: readonly number[]): boolean {
  const { i32, layout } = arena;
  const rooms: number[] = [];
  if (i32[(layout.slotHeap + INITIALISED) >> 2] === 0) rooms.push(layout.slotHeapBytes - FIRST_BLOCK);
  for (let block = i32[(layout.slotHeap + FREE_HEAD) >> 2]; block !== 0; block = i32[(block + BLOCK_NEXT) >> 2]) {
    rooms.push(i32[(block + BLOCK_SIZE) >> 2]);
  }
  return requests.every((bytes) => {
    const size = blockBytes(arena, bytes);
    const index = size < 0 ? -1 : rooms.findIndex((room) => room >= size);
    if (index < 0) return false;
    const rest = rooms[index] - size;
    if (rest >= HEAD_BYTES + GRAIN) rooms[index] = rest;
    else rooms.splice(index, 1);
    return true;
  });
}

/** Bytes in use, heads included. */
export const slotHeapUsed = (arena: Arena): number => arena.i32[(arena.layout.vm + VM_SLOT_HEAP_USED) >> 2];

export interface SlotHeapBlocks {
  /** Bytes that a caller may use, by the arena offset that it was given. */
  readonly allocated: ReadonlyMap<number, number>;
  /** Heads included. */
  readonly usedBytes: number;
}

/** All blocks, read without trust: undefined when they do not fill the heap, or the free list is not one of them in order. */
export function slotHeapBlocks(arena: Arena): SlotHeapBlocks | undefined {
  const { i32, layout } = arena;
  const end = layout.slotHeap + layout.slotHeapBytes;
  const allocated = new Map<number, number>();
  if (i32[(layout.slotHeap + INITIALISED) >> 2] === 0) return { allocated, usedBytes: 0 };
  let free = i32[(layout.slotHeap + FREE_HEAD) >> 2];
  let usedBytes = 0;
  for (let block = layout.slotHeap + FIRST_BLOCK; block < end;) {
    const size = i32[(block + BLOCK_SIZE) >> 2];
    if (size < HEAD_BYTES + GRAIN || size % GRAIN !== 0 || block + size > end) return undefined;
    if (block === free) free = i32[(block + BLOCK_NEXT) >> 2];
    else {
      allocated.set(block + HEAD_BYTES, size - HEAD_BYTES);
      usedBytes += size;
    }
    block += size;
  }
  // A link that was not met on the way, backwards or into the middle of a block, is still to be followed here.
  return free === 0 ? { allocated, usedBytes } : undefined;
}
