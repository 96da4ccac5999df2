/**
 * KVM_SET_USER_MEMORY_REGION carried out in the kernel's order (__kvm_set_memory_region of virt/kvm/kvm_main.c, v3.11), with
 * the MMU behind an interface, because memslots know nothing of shadow pages. The caller holds slots_lock.
 */
import type { Arena } from '../arena/arena.ts';
import { assert } from '../base/assert.ts';
import { ok, type Result } from '../base/result.ts';
import { eraOf, mmioGenerationOf } from './eras.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEMSLOT_INVALID, type MemslotLimits } from './limits.ts';
import { createSlotArrays, dirtyBitmapRequests, freeSlotArrays, needsSlotArrays } from './memslot-arrays.ts';
import { planMemoryRegion, type MemslotPlan } from './memslot-checks.ts';
import type { MemslotError } from './memslot-errors.ts';
import type { MemslotCaller, MemslotChange, UserMemoryRegion } from './memslot-region.ts';
import {
  duplicateMemslots,
  memslotById,
  publishMemslots,
  replaceMemslot,
  setMemslotFlags,
  type Memslot,
} from './memslot-table.ts';
import { activeMemslots, memslotsGeneration } from './memslots.ts';
import { allocateFromSlotHeap, freeToSlotHeap, SLOT_HEAP_FULL } from './slot-heap.ts';
import { traceUmbraMemslot } from './trace-events.ts';

export type { MemslotCheck, MemslotError } from './memslot-errors.ts';
export type { MemslotCaller, MemslotChange, UserMemoryRegion } from './memslot-region.ts';

/** What kvm_arch_commit_memory_region is told. */
export interface MemslotCommit {
  readonly change: Exclude<MemslotChange, 'NONE'>;
  readonly slotId: number;
  /** The slot in the table that is active now; −1 after DELETE. */
  readonly slot: number;
  readonly oldFlags: number;
  readonly newFlags: number;
  readonly npages: number;
}

/** What the MMU does for a memslot change. Called in this order, never concurrently. */
export interface MemslotMmu {
  /**
   * synchronize_srcu_expedited after a table was published: comes back when no vCPU can still be reading the table that was
   * active before, because that one is written next and the arrays of a slot that went away are freed.
   */
  synchronizeReaders(): void;
  /** kvm_arch_flush_shadow_memslot: DELETE and MOVE, after the INVALID copy of the slot is installed. v3.11 zaps everything. */
  flushShadowMemslot(slot: number): void;
  /**
   * kvm_arch_commit_memory_region, after the final install: page quota, write protection for a slot that logs dirty pages
   * (change is not DELETE and newFlags has LOG_DIRTY_PAGES), and then what the era does about MMIO sptes.
   */
  commitMemoryRegion(commit: MemslotCommit): void;
}

/** A change that happened, or that a preview foretells. */
export interface MemslotChangeReport {
  readonly change: MemslotChange;
  readonly generationBefore: bigint;
  readonly generationAfter: bigint;
  /** −1 where the era has none. */
  readonly mmioGenerationBefore: number;
  readonly mmioGenerationAfter: number;
}

export function setMemoryRegion(
  arena: Arena,
  limits: MemslotLimits,
  mmu: MemslotMmu,
  region: UserMemoryRegion,
  caller: MemslotCaller = 'user',
): Result<MemslotChangeReport, MemslotError> {
  const planned = planMemoryRegion(arena, limits, region, caller);
  if (!planned.ok) return planned;
  const plan = planned.value;
  const before = memslotsGeneration(arena);
  if (plan.change !== 'NONE') carryOut(arena, limits, mmu, plan, plan.change);
  const report = changeReport(arena, plan.change, before, memslotsGeneration(arena));
  if (plan.change !== 'NONE') {
    traceUmbraMemslot(arena, plan.id, CHANGE_NUMBER[plan.change], report.generationBefore, report.generationAfter);
  }
  return ok(report);
}

/** Numbers of the changes in the trace: enum kvm_mr_change. */
export const CHANGE_NUMBER = { CREATE: 0, DELETE: 1, MOVE: 2, FLAGS_ONLY: 3 } as const;

export function changeReport(arena: Arena, change: MemslotChange, before: bigint, after: bigint): MemslotChangeReport {
  const era = eraOf(arena);
  return {
    change,
    generationBefore: before,
    generationAfter: after,
    mmioGenerationBefore: mmioGenerationOf(era, before),
    mmioGenerationAfter: mmioGenerationOf(era, after),
  };
}

/** install_new_memslots: publish, then wait until nobody reads the old table. */
function install(arena: Arena, mmu: MemslotMmu): void {
  publishMemslots(arena);
  mmu.synchronizeReaders();
}

function carryOut(
  arena: Arena,
  limits: MemslotLimits,
  mmu: MemslotMmu,
  plan: MemslotPlan,
  change: MemslotCommit['change'],
): void {
  const { id, old } = plan;
  // Everything that can fail comes before anything is installed; the plan has made sure that there is room.
  const next = newMemslot(arena, limits, plan);

  if (change === 'DELETE' || change === 'MOVE') {
    assert(old !== undefined, 'DELETE or MOVE of an empty slot');
    const table = duplicateMemslots(arena);
    setMemslotFlags(arena, table, id, old.flags | KVM_MEMSLOT_INVALID);
    install(arena, mmu);
    mmu.flushShadowMemslot(memslotById(arena, activeMemslots(arena), id));
  }

  const table = duplicateMemslots(arena);
  replaceMemslot(arena, table, next);
  install(arena, mmu);

  mmu.commitMemoryRegion({
    change,
    slotId: id,
    slot: memslotById(arena, activeMemslots(arena), id),
    oldFlags: old?.flags ?? 0,
    newFlags: plan.flags,
    npages: plan.npages,
  });

  if (old === undefined) return;
  // kvm_free_physmem_slot: what the new slot does not share with the old one.
  if (old.dirtyBitmap !== next.dirtyBitmap) freeToSlotHeap(arena, old.dirtyBitmap);
  if (old.rmap[0] !== next.rmap[0]) freeSlotArrays(arena, old);
}

function newMemslot(arena: Arena, limits: MemslotLimits, plan: MemslotPlan): Memslot {
  const { id, old, baseGfn, npages, flags, userspaceAddr, change } = plan;
  const slot = { id, baseGfn, npages, flags, userspaceAddr };
  if (change === 'DELETE') return { ...slot, rmap: [0, 0, 0], lpageInfo: [0, 0], dirtyBitmap: 0 };

  const arrays = needsSlotArrays(plan, limits) ? createSlotArrays(arena, plan, userspaceAddr) : old;
  assert(arrays !== undefined, 'the slot heap broke the promise of the plan');
  const { rmap, lpageInfo } = arrays;
  const logs = (flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0;
  let dirtyBitmap = logs ? (old?.dirtyBitmap ?? 0) : 0;
  for (const bytes of dirtyBitmapRequests(plan)) dirtyBitmap = allocateFromSlotHeap(arena, bytes);
  assert(!logs || dirtyBitmap !== SLOT_HEAP_FULL, 'the slot heap broke the promise of the plan');
  return { ...slot, rmap, lpageInfo, dirtyBitmap };
}
