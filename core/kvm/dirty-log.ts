/** Dirty page logging: marking, KVM_GET_DIRTY_LOG (kvm_vm_ioctl_get_dirty_log of arch/x86/kvm/x86.c, v3.11). */
import type { Arena } from '../arena/arena.ts';
import { MEMSLOT_BASE_GFN, MEMSLOT_DIRTY_BITMAP } from '../arena/memslot-layout.ts';
import { UmbraBug } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import type { MemslotLimits } from './limits.ts';
import type { MemslotError } from './memslot-errors.ts';
import { gfnToMemslot } from './memslots.ts';

/** mark_page_dirty_in_slot. Nothing while the slot does not log. */
export function markPageDirtyInSlot(arena: Arena, slot: number, gfn: number): void {
  if (slot < 0) return;
  const bitmap = arena.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
  if (bitmap === 0) return;
  const page = gfn - arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  Atomics.or(arena.i32, (bitmap >> 2) + Math.floor(page / 32), 1 << (page & 31));
}

/** mark_page_dirty. */
export const markPageDirty = (arena: Arena, gfn: number): void =>
  markPageDirtyInSlot(arena, gfnToMemslot(arena, gfn), gfn);

/** What the MMU does when a dirty log is read. */
export interface DirtyLogMmu {
  /**
   * kvm_mmu_write_protect_pt_masked: takes W from the 4 KiB sptes of the frames whose bits are set in `mask` (bit 0 =
   * slot's frame number `gfnOffset`). Called under mmu_lock, for one 32-bit word of the bitmap at a time.
   */
  writeProtectMasked(slot: number, gfnOffset: number, mask: number): void;
  /** kvm_flush_remote_tlbs, once, when any page was dirty. */
  flushRemoteTlbs(): void;
}

export function getDirtyLog(
  _arena: Arena,
  _limits: MemslotLimits,
  _mmu: DirtyLogMmu,
  _slotId: number,
): Result<Uint8Array, MemslotError> {
  throw new UmbraBug('getDirtyLog: not yet');
}
