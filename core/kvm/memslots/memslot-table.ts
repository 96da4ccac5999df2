/**
 * One memslot table as a whole: reading a slot out of it, copying it, replacing a slot in a copy that is not published yet
 * (update_memslots, sort_memslots, id_to_memslot of virt/kvm/kvm_main.c, v3.11). Slots in use come first, sorted by size
 * descending so that a linear scan meets big ones early; behind them an id → index map holds index + 1, 0 = empty.
 */
import type { Arena } from '../../arena/arena.ts';
import {
  MEMSLOT_BASE_GFN,
  MEMSLOT_BYTES,
  MEMSLOT_DIRTY_BITMAP,
  MEMSLOT_FLAGS,
  MEMSLOT_ID,
  MEMSLOT_LPAGE_INFO,
  MEMSLOT_NPAGES,
  MEMSLOT_RAM_OFFSET,
  MEMSLOT_RMAP,
  MEMSLOT_USERSPACE_ADDR,
  MEMSLOTS_GENERATION,
  MEMSLOTS_HEADER_BYTES,
  MEMSLOTS_USED,
} from '../../arena/memslot-layout.ts';
import { VM_ACTIVE_MEMSLOTS } from '../../arena/mmu-layout.ts';
import { assert } from '../../base/assert.ts';
import { eraOf, firstMemslotsGeneration, publishedGeneration, settledGeneration, zapsAtGeneration } from '../eras.ts';
import { VM_MMIO_WATCH, WATCH_WRAP } from '../mmu/mmu-words.ts';
import { activeMemslots, hvaToRamOffset, NO_SLOT } from './memslots.ts';

/** struct kvm_memory_slot by value. */
export interface Memslot {
  readonly id: number;
  readonly baseGfn: number;
  readonly npages: number;
  readonly flags: number;
  readonly userspaceAddr: bigint;
  /** Arena offsets in the slot heap; 0 when absent. */
  readonly rmap: readonly [number, number, number];
  readonly lpageInfo: readonly [number, number];
  readonly dirtyBitmap: number;
}

export function readMemslot(arena: Arena, slot: number): Memslot {
  const { i32, f64, u64 } = arena;
  const rmap = (slot + MEMSLOT_RMAP) >> 2;
  const lpageInfo = (slot + MEMSLOT_LPAGE_INFO) >> 2;
  return {
    id: i32[(slot + MEMSLOT_ID) >> 2],
    baseGfn: f64[(slot + MEMSLOT_BASE_GFN) >> 3],
    npages: f64[(slot + MEMSLOT_NPAGES) >> 3],
    flags: i32[(slot + MEMSLOT_FLAGS) >> 2],
    userspaceAddr: u64[(slot + MEMSLOT_USERSPACE_ADDR) >> 3],
    rmap: [i32[rmap], i32[rmap + 1], i32[rmap + 2]],
    lpageInfo: [i32[lpageInfo], i32[lpageInfo + 1]],
    dirtyBitmap: i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2],
  };
}

function writeMemslot(arena: Arena, slot: number, value: Memslot): void {
  const { i32, f64, u64 } = arena;
  i32[(slot + MEMSLOT_ID) >> 2] = value.id;
  f64[(slot + MEMSLOT_BASE_GFN) >> 3] = value.baseGfn;
  f64[(slot + MEMSLOT_NPAGES) >> 3] = value.npages;
  i32[(slot + MEMSLOT_FLAGS) >> 2] = value.flags;
  u64[(slot + MEMSLOT_USERSPACE_ADDR) >> 3] = value.userspaceAddr;
  i32.set(value.rmap, (slot + MEMSLOT_RMAP) >> 2);
  i32.set(value.lpageInfo, (slot + MEMSLOT_LPAGE_INFO) >> 2);
  i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2] = value.dirtyBitmap;
  i32[(slot + MEMSLOT_RAM_OFFSET) >> 2] = ramOffsetOf(arena, value);
}

/** Where the slot's bytes begin in the arena when all of them are there, else −1. */
export function ramOffsetOf(arena: Arena, slot: Memslot): number {
  const first = hvaToRamOffset(arena, slot.userspaceAddr);
  const last = hvaToRamOffset(arena, slot.userspaceAddr + BigInt(slot.npages) * 4096n - 1n);
  return first >= 0 && last >= 0 ? first : -1;
}

/** Arena offset of the table that is not published. */
export const inactiveMemslots = (arena: Arena): number =>
  2 * arena.layout.memslots + arena.layout.memslotTableBytes - activeMemslots(arena);

const idMapWord = (arena: Arena, table: number, id: number): number =>
  ((table + MEMSLOTS_HEADER_BYTES + arena.layout.config.memslots * MEMSLOT_BYTES) >> 2) + id;

const slotAt = (table: number, index: number): number => table + MEMSLOTS_HEADER_BYTES + index * MEMSLOT_BYTES;

/** id_to_memslot: arena offset of the slot of that number in a table, {@link NO_SLOT} when it is empty. */
export function memslotById(arena: Arena, table: number, id: number): number {
  if (id < 0 || id >= arena.layout.config.memslots) return NO_SLOT;
  const index = arena.i32[idMapWord(arena, table, id)] - 1;
  return index < 0 ? NO_SLOT : slotAt(table, index);
}

/** All slots in use, in scan order. */
export function readMemslots(arena: Arena, table: number = activeMemslots(arena)): readonly Memslot[] {
  const used = arena.i32[(table + MEMSLOTS_USED) >> 2];
  return Array.from({ length: used }, (_, index) => readMemslot(arena, slotAt(table, index)));
}

/** kmemdup of the active table into the inactive one. */
export function duplicateMemslots(arena: Arena): number {
  const from = activeMemslots(arena);
  const to = inactiveMemslots(arena);
  const used = arena.i32[(from + MEMSLOTS_USED) >> 2];
  arena.u8.copyWithin(to, from, slotAt(from, used));
  const map = idMapWord(arena, from, 0);
  arena.i32.copyWithin(idMapWord(arena, to, 0), map, map + arena.layout.config.memslots);
  return to;
}

export function setMemslotFlags(arena: Arena, table: number, id: number, flags: number): void {
  const slot = memslotById(arena, table, id);
  assert(slot >= 0, 'flags of an empty memslot');
  arena.i32[(slot + MEMSLOT_FLAGS) >> 2] = flags;
}

/** Puts a slot into a table that is not published, in place of whatever has its id; npages 0 takes it out. Keeps the order. */
export function replaceMemslot(arena: Arena, table: number, value: Memslot): void {
  const { i32, f64, u8 } = arena;
  assert(table === inactiveMemslots(arena), 'a published memslot table must not be written');
  assert(value.id >= 0 && value.id < arena.layout.config.memslots, 'memslot id beyond the table');
  let used = i32[(table + MEMSLOTS_USED) >> 2];
  const present = i32[idMapWord(arena, table, value.id)] - 1;
  if (present >= 0) {
    u8.copyWithin(slotAt(table, present), slotAt(table, present + 1), slotAt(table, used));
    used--;
    i32[idMapWord(arena, table, value.id)] = 0;
  }
  let index = used;
  if (value.npages > 0) {
    while (index > 0 && f64[(slotAt(table, index - 1) + MEMSLOT_NPAGES) >> 3] < value.npages) index--;
    u8.copyWithin(slotAt(table, index + 1), slotAt(table, index), slotAt(table, used));
    used++;
    writeMemslot(arena, slotAt(table, index), value);
  }
  i32[(table + MEMSLOTS_USED) >> 2] = used;
  const firstMoved = present < 0 ? index : Math.min(index, present);
  for (let i = firstMoved; i < used; i++) {
    i32[idMapWord(arena, table, i32[(slotAt(table, i) + MEMSLOT_ID) >> 2])] = i + 1;
  }
}

/** rcu_assign_pointer of install_new_memslots: numbers the inactive table and makes it the active one. */
export function publishMemslots(arena: Arena): void {
  const { i32, u64, layout } = arena;
  const last = u64[(activeMemslots(arena) + MEMSLOTS_GENERATION) >> 3];
  const next = inactiveMemslots(arena);
  const era = eraOf(arena);
  const published = publishedGeneration(era, last);
  u64[(next + MEMSLOTS_GENERATION) >> 3] = published;
  // Whatever was wrong with the last generation is stale now. v3.17 zaps only after the generation that went round is settled.
  const wraps = era === 'v3.17' && zapsAtGeneration(era, settledGeneration(era, published));
  i32[(layout.vm + VM_MMIO_WATCH) >> 2] = wraps ? WATCH_WRAP : 0;
  Atomics.store(i32, (layout.vm + VM_ACTIVE_MEMSLOTS) >> 2, next === layout.memslots ? 0 : 1);
}

/** The second increment, from 3.17 on: no reader of the old table is left. */
export function settleMemslots(arena: Arena): void {
  const word = (activeMemslots(arena) + MEMSLOTS_GENERATION) >> 3;
  Atomics.store(arena.u64, word, settledGeneration(eraOf(arena), arena.u64[word]));
}

/** The generation of a VM without slots. */
export const initMemslots = (arena: Arena): void => setMemslotsGeneration(arena, firstMemslotsGeneration(eraOf(arena)));

/** Debugging aid: the active table gets that generation, as if so many changes had happened. */
export function setMemslotsGeneration(arena: Arena, generation: bigint): void {
  Atomics.store(arena.u64, (activeMemslots(arena) + MEMSLOTS_GENERATION) >> 3, generation);
}
