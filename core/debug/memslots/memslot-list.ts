/** The memslots as KVM has them, and the devices that stand where no slot is. */
import type { Arena } from '../../arena/arena.ts';
import {
  MEMSLOT_BASE_GFN,
  MEMSLOT_DIRTY_BITMAP,
  MEMSLOT_FLAGS,
  MEMSLOT_ID,
  MEMSLOT_NPAGES,
  MEMSLOT_USERSPACE_ADDR,
} from '../../arena/memslot-layout.ts';
import { KVM_MEMSLOT_INVALID, KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '../../kvm/memslots/limits.ts';
import { memslotAt, memslotCount } from '../../kvm/memslots/memslots.ts';
import type { MemslotSnapshot } from '../../protocol/snapshots.ts';

/** In the order of their guest physical addresses. */
export function listMemslots(arena: Arena): readonly MemslotSnapshot[] {
  const slots = Array.from({ length: memslotCount(arena) }, (_unused, i) => describeSlot(arena, memslotAt(arena, i)));
  return slots.filter(({ size }) => size > 0n).toSorted((a, b) => (a.gpa < b.gpa ? -1 : 1));
}

function describeSlot(arena: Arena, slot: number): MemslotSnapshot {
  const flags = arena.i32[(slot + MEMSLOT_FLAGS) >> 2];
  const pages = arena.f64[(slot + MEMSLOT_NPAGES) >> 3];
  const bitmap = arena.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
  return {
    id: arena.i32[(slot + MEMSLOT_ID) >> 2],
    gpa: BigInt(arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3]) << 12n,
    size: BigInt(pages) << 12n,
    hva: arena.u64[(slot + MEMSLOT_USERSPACE_ADDR) >> 3],
    logDirtyPages: (flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0,
    readonly: (flags & KVM_MEM_READONLY) !== 0,
    invalid: (flags & KVM_MEMSLOT_INVALID) !== 0,
    dirtyPages: bitmap === 0 ? -1 : countBits(arena.u8, bitmap, Math.ceil(pages / 8)),
  };
}

function countBits(bytes: Uint8Array, at: number, length: number): number {
  let count = 0;
  for (let i = at; i < at + length; i++) {
    for (let byte = bytes[i]; byte !== 0; byte &= byte - 1) count += 1;
  }
  return count;
}
