/**
 * Dirty page logging: marking a page, and KVM_GET_DIRTY_LOG (mark_page_dirty_in_slot of virt/kvm/kvm_main.c,
 * kvm_vm_ioctl_get_dirty_log of arch/x86/kvm/x86.c, v3.11). A slot's two bitmaps lie one behind the other: the one that is
 * set, and the buffer in which an answer is put together.
 */
import type { Arena } from '../../arena/arena.ts';
import { MEMSLOT_BASE_GFN, MEMSLOT_DIRTY_BITMAP, MEMSLOT_NPAGES } from '../../arena/memslot-layout.ts';
import { ok, type Result } from '../../base/result.ts';
import type { MemslotLimits } from './limits.ts';
import { dirtyBitmapBytes } from './memslot-arrays.ts';
import { refuse, type MemslotError } from './memslot-errors.ts';
import { memslotById } from './memslot-table.ts';
import { activeMemslots, gfnToMemslot } from './memslots.ts';

/** mark_page_dirty_in_slot. Nothing while the slot does not log. */
export function markPageDirtyInSlot(arena: Arena, slot: number, gfn: number): void {
  if (slot < 0) return;
  const bitmap = arena.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
  if (bitmap === 0) return;
  const page = gfn - arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  Atomics.or(arena.i32, (bitmap >> 2) + (page >>> 5), 1 << (page & 31));
}

/** mark_page_dirty. */
export const markPageDirty = (arena: Arena, gfn: number): void =>
  markPageDirtyInSlot(arena, gfnToMemslot(arena, gfn), gfn);

/** What the MMU does when a dirty log is read. */
export interface DirtyLogMmu {
  /**
   * kvm_mmu_write_protect_pt_masked: takes W from the 4 KiB sptes of the frames whose bits are set in `mask` (bit 0 is the
   * slot's frame number `gfnOffset`). Called under mmu_lock, for each 32-bit word of the bitmap that is not zero.
   */
  writeProtectMasked(slot: number, gfnOffset: number, mask: number): void;
  /** kvm_flush_remote_tlbs, once, when any page was dirty. */
  flushRemoteTlbs(): void;
}

/**
 * @param slotId as the ioctl has it; its upper half is an address space where the limits know such
 * @returns the bitmap, whole 64-bit words; those bits are cleared and their pages write-protected
 */
export function getDirtyLog(
  arena: Arena,
  limits: MemslotLimits,
  mmu: DirtyLogMmu,
  slotId: number,
): Result<Uint8Array<ArrayBuffer>, MemslotError> {
  const found = findLoggingSlot(arena, limits, slotId);
  if (!found.ok) return found;
  const slot = found.value;
  const { i32, u8 } = arena;
  const bitmap = i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
  const bytes = dirtyBitmapBytes(arena.f64[(slot + MEMSLOT_NPAGES) >> 3]);
  const answer = bitmap + bytes;
  u8.fill(0, answer, answer + bytes);
  let anyDirty = false;
  for (let offset = 0; offset < bytes; offset += 4) {
    if (i32[(bitmap + offset) >> 2] === 0) continue;
    const mask = Atomics.exchange(i32, (bitmap + offset) >> 2, 0);
    i32[(answer + offset) >> 2] = mask;
    mmu.writeProtectMasked(slot, offset * 8, mask);
    anyDirty = true;
  }
  if (anyDirty) mmu.flushRemoteTlbs();
  return ok(new Uint8Array(u8.subarray(answer, answer + bytes)));
}

/** How many pages are marked, −1 when the slot does not log. Changes nothing. */
export function countDirtyPages(arena: Arena, slot: number): number {
  const bitmap = arena.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
  if (bitmap === 0) return -1;
  const words = dirtyBitmapBytes(arena.f64[(slot + MEMSLOT_NPAGES) >> 3]) >> 2;
  let pages = 0;
  for (let i = 0; i < words; i++) {
    for (let word = arena.i32[(bitmap >> 2) + i]; word !== 0; word &= word - 1) pages++;
  }
  return pages;
}

function findLoggingSlot(arena: Arena, limits: MemslotLimits, slotId: number): Result<number, MemslotError> {
  const modern = limits.rules === 'v6.18';
  if (modern && slotId > 0xffff) {
    const text = `slot 0x${slotId.toString(16)} names address space ${slotId >>> 16}, but this VM has only address space 0`;
    return refuse('EINVAL', 'address-space', text);
  }
  if (slotId >= limits.userSlots) {
    const last = limits.userSlots - 1;
    return refuse('EINVAL', 'slot-out-of-range', `slot ${slotId} is out of range: user slots are 0 to ${last}`);
  }
  const slot = memslotById(arena, activeMemslots(arena), slotId);
  if (slot < 0) return refuse('ENOENT', 'no-dirty-bitmap', `slot ${slotId} is empty, so it has no dirty log`);
  if (arena.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2] === 0) {
    const text = `slot ${slotId} does not log dirty pages: set its flag LOG_DIRTY_PAGES first`;
    return refuse('ENOENT', 'no-dirty-bitmap', text);
  }
  return ok(slot);
}
