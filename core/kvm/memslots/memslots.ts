/**
 * Looking memslots up, without a lock, in whichever table is active (gfn_to_memslot, __gfn_to_hva_many, hva_to_pfn of
 * virt/kvm/kvm_main.c, v3.11). A slot is named by the arena offset of its block (fields: memslot-layout.ts); the name is
 * good until the reader's next quiescent point.
 */
import type { Arena } from '../../arena/arena.ts';
import {
  MEMSLOT_BASE_GFN,
  MEMSLOT_BYTES,
  MEMSLOT_FLAGS,
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
import { HVA_BASE } from '../../base/address.ts';
import { KVM_MEM_READONLY, KVM_MEMSLOT_INVALID } from './limits.ts';

/** No slot there. */
export const NO_SLOT = -1;

/**
 * What stands in for a pfn when there is none. Frames are non-negative numbers, so one comparison tells; the kernel's values
 * are 1 << 63, 0x7ff << 52 and that + 2.
 */
export const KVM_PFN_NOSLOT = -1;
export const KVM_PFN_ERR_FAULT = -2;
export const KVM_PFN_ERR_RO_FAULT = -3;

/** Arena offset of the published table. */
export function activeMemslots(arena: Arena): number {
  const { layout, i32 } = arena;
  return layout.memslots + Atomics.load(i32, (layout.vm + VM_ACTIVE_MEMSLOTS) >> 2) * layout.memslotTableBytes;
}

/** kvm_memslots(kvm)->generation. Cold. */
export const memslotsGeneration = (arena: Arena): bigint =>
  arena.u64[(activeMemslots(arena) + MEMSLOTS_GENERATION) >> 3];

/** Slots in use in the active table; `memslotAt(arena, 0 … n − 1)` names them in scan order. */
export const memslotCount = (arena: Arena): number => arena.i32[(activeMemslots(arena) + MEMSLOTS_USED) >> 2];
export const memslotAt = (arena: Arena, index: number): number =>
  activeMemslots(arena) + MEMSLOTS_HEADER_BYTES + index * MEMSLOT_BYTES;

/**
 * gfn_to_memslot: the slot that holds the frame, or {@link NO_SLOT}. A slot that is being deleted or moved is found too and
 * has KVM_MEMSLOT_INVALID in its flags, as in the kernel.
 */
export function gfnToMemslot(arena: Arena, gfn: number): number {
  const { f64 } = arena;
  const table = activeMemslots(arena);
  let slot = table + MEMSLOTS_HEADER_BYTES;
  const end = slot + arena.i32[(table + MEMSLOTS_USED) >> 2] * MEMSLOT_BYTES;
  for (; slot < end; slot += MEMSLOT_BYTES) {
    const offset = gfn - f64[(slot + MEMSLOT_BASE_GFN) >> 3];
    if (offset >= 0 && offset < f64[(slot + MEMSLOT_NPAGES) >> 3]) return slot;
  }
  return NO_SLOT;
}

export const memslotFlags = (arena: Arena, slot: number): number => arena.i32[(slot + MEMSLOT_FLAGS) >> 2];
export const memslotIsReadonly = (arena: Arena, slot: number): boolean =>
  (memslotFlags(arena, slot) & KVM_MEM_READONLY) !== 0;

/** kvm_is_visible_gfn: in a slot that is not being taken away. (Umbra's VMs have no private slots with memory of their own.) */
export function isVisibleGfn(arena: Arena, gfn: number): boolean {
  const slot = gfnToMemslot(arena, gfn);
  return slot >= 0 && (memslotFlags(arena, slot) & KVM_MEMSLOT_INVALID) === 0;
}

/**
 * gfn_to_pfn for a slot already looked up ({@link NO_SLOT} allowed): the host frame (hpa >> 12), or a KVM_PFN_* value.
 * A slot in INVALID state counts as none. A read of a read-only slot gives its frame, which must not be mapped writable.
 */
export function slotGfnToPfn(arena: Arena, slot: number, gfn: number, write: boolean): number {
  if (slot < 0) return KVM_PFN_NOSLOT;
  const flags = arena.i32[(slot + MEMSLOT_FLAGS) >> 2];
  if ((flags & KVM_MEMSLOT_INVALID) !== 0) return KVM_PFN_NOSLOT;
  if (write && (flags & KVM_MEM_READONLY) !== 0) return KVM_PFN_ERR_RO_FAULT;
  const frames = gfn - arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  const ram = arena.i32[(slot + MEMSLOT_RAM_OFFSET) >> 2];
  if (ram >= 0) return (ram >>> 12) + frames;
  const offset = hvaToRamOffset(arena, arena.u64[(slot + MEMSLOT_USERSPACE_ADDR) >> 3] + BigInt(frames) * 4096n);
  return offset < 0 ? KVM_PFN_ERR_FAULT : offset >>> 12;
}

/** gfn_to_pfn. */
export const gfnToPfn = (arena: Arena, gfn: number, write: boolean): number =>
  slotGfnToPfn(arena, gfnToMemslot(arena, gfn), gfn, write);

/** hva_to_pfn in terms of the arena: offset of the byte behind an hva, −1 when nothing is mapped there. Cold. */
export function hvaToRamOffset(arena: Arena, hva: bigint): number {
  const offset = hva - HVA_BASE;
  if (offset < 0n || offset >= BigInt(arena.layout.config.ramBytes)) return -1;
  return arena.layout.ram + Number(offset);
}

/** gfn_to_hva_memslot. Cold. */
export const slotGfnToHva = (arena: Arena, slot: number, gfn: number): bigint =>
  arena.u64[(slot + MEMSLOT_USERSPACE_ADDR) >> 3] + BigInt(gfn - arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3]) * 4096n;

/** gfn_to_index: number of the level's page that holds gfn, counted from the one that holds the slot's first frame. */
export const gfnToIndex = (gfn: number, baseGfn: number, level: number): number => {
  const frames = level === 1 ? 1 : level === 2 ? 512 : 262144;
  return Math.floor(gfn / frames) - Math.floor(baseGfn / frames);
};

/** __gfn_to_rmap: arena offset of the u64 rmap word of gfn at level 1, 2 or 3. */
export const slotRmapWord = (arena: Arena, slot: number, gfn: number, level: number): number =>
  arena.i32[((slot + MEMSLOT_RMAP) >> 2) + level - 1] +
  gfnToIndex(gfn, arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3], level) * 8;

/** lpage_info_slot: arena offset of the int32 write_count of gfn's large page at level 2 or 3. */
export const slotLpageWord = (arena: Arena, slot: number, gfn: number, level: number): number =>
  arena.i32[((slot + MEMSLOT_LPAGE_INFO) >> 2) + level - 2] +
  gfnToIndex(gfn, arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3], level) * 4;
