/**
 * The kvmmmu events of KVM's software walk of guest tables (FNAME(walk_addr_generic) of arch/x86/kvm/paging_tmpl.h, v3.11):
 * kvm_mmu_pagetable_walk, kvm_mmu_paging_element, kvm_mmu_set_accessed_bit and _dirty_bit, kvm_mmu_walker_error. The walk
 * is foretold by the probe, which follows the same rules, so the walkers themselves carry no tracing. Cold.
 */
import type { Arena } from '../../arena/arena.ts';
import { VM_TRACE_MASK } from '../../arena/mmu-layout.ts';
import { highHalf, lowHalf, u64FromHalves } from '../../base/address.ts';
import * as tp from '../../base/tracepoints.ts';
import { probeGuestWalk, type GuestFrames, type GuestWalkProbe } from '../../x86/index.ts';
import { gfnToPfn } from '../memslots/memslots.ts';
import { PFERR_FETCH_MASK, PFERR_USER_MASK, PFERR_WRITE_MASK } from '../mmu/mmu-fault-error.ts';
import { traceArg, traceBegin, traceCommit, traceEnabled } from './trace.ts';

const FIRST = tp.TP_MMU_PAGETABLE_WALK;
/** The five events have neighbouring numbers within one word of the mask. */
const WALK_EVENTS = 0x1f << (FIRST & 31);
const PFERR_ALL = 0x1f;
const PTE_ACCESSED = 0x20;
const PTE_DIRTY = 0x40;

export const guestWalkTraced = (arena: Arena): boolean =>
  (arena.i32[((arena.layout.vm + VM_TRACE_MASK) >> 2) + (FIRST >>> 5)] & WALK_EVENTS) !== 0;

/**
 * To be called before the walk itself, which sets A and D bits.
 * @param access PFERR_WRITE | USER | FETCH
 * @param code the error code that the walk is begun with: of a page fault PFERR_PRESENT and RSVD too
 */
export function traceGuestWalk(
  arena: Arena,
  vcpuId: number,
  lo: number,
  hi: number,
  access: number,
  code = access,
): void {
  const pferr = code & PFERR_ALL;
  const kind =
    (access & PFERR_WRITE_MASK) !== 0 ? 'write' : (access & PFERR_FETCH_MASK) !== 0 ? 'fetch' : ('read' as const);
  const user = (access & PFERR_USER_MASK) !== 0;
  const walk = probeGuestWalk(arena, vcpuId, u64FromHalves(lo, hi), kind, tableFrames(arena), user);
  if (walk.mode === 'none') return;
  emit(arena, vcpuId, tp.TP_MMU_PAGETABLE_WALK, lo, hi, pferr);
  for (const { value, level } of walk.levels) {
    emit(arena, vcpuId, tp.TP_MMU_PAGING_ELEMENT, lowHalf(value), highHalf(value), level);
  }
  traceMarks(arena, vcpuId, walk);
  if (walk.fault?.errorCode !== undefined) emit(arena, vcpuId, tp.TP_MMU_WALKER_ERROR, walk.fault.errorCode, 0, 0);
}

/** Guest tables as the software walker reads them: a table in read-only memory cannot be walked (gfn_to_hva). */
const tableFrames = (arena: Arena): GuestFrames => ({
  frameOf(gpaLo, gpaHi) {
    const pfn = gfnToPfn(arena, (gpaLo >>> 12) + (gpaHi >>> 0) * 0x10_0000, true);
    return pfn < 0 ? -1 : pfn * 4096 + (gpaLo & 0xfff);
  },
});

/** update_accessed_dirty_bits: from the top down, A before D. */
function traceMarks(arena: Arena, vcpuId: number, walk: GuestWalkProbe): void {
  for (const { gpa, marks } of walk.levels) {
    if (gpa === undefined || marks === 0) continue;
    if ((marks & PTE_ACCESSED) !== 0) {
      emit(arena, vcpuId, tp.TP_MMU_SET_ACCESSED_BIT, lowHalf(gpa), highHalf(gpa), 0);
    }
    if ((marks & PTE_DIRTY) !== 0) emit(arena, vcpuId, tp.TP_MMU_SET_DIRTY_BIT, lowHalf(gpa), highHalf(gpa), 0);
  }
}

function emit(arena: Arena, vcpuId: number, event: number, lo: number, hi: number, second: number): void {
  if (!traceEnabled(arena, event)) return;
  const args = traceBegin(arena, vcpuId, event);
  traceArg(arena, args, 0, lo, hi);
  traceArg(arena, args, 1, second, 0);
  traceCommit(arena);
}
