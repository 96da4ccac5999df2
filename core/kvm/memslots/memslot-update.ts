/**
 * KVM_SET_USER_MEMORY_REGION carried out in the kernel's order (__kvm_set_memory_region of virt/kvm/kvm_main.c, v3.11;
 * install_new_memslots of v3.17, kvm_swap_active_memslots of v6.8), with the MMU behind an interface, because memslots know
 * nothing of shadow pages. A change is a list of steps, so that it can be held between two of them (docs/race-lab.md); the
 * ordinary call takes them all. The caller holds slots_lock.
 */
import type { Arena } from '../../arena/arena.ts';
import { assert } from '../../base/assert.ts';
import { ok, type Result } from '../../base/result.ts';
import { eraOf, mmioGenerationOf, settledGeneration, settlesGeneration } from '../eras.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEMSLOT_INVALID, type MemslotLimits } from './limits.ts';
import { createSlotArrays, dirtyBitmapRequests, freeSlotArrays, needsSlotArrays } from './memslot-arrays.ts';
import { planMemoryRegion } from './memslot-checks.ts';
import type { MemslotPlan } from './memslot-plan.ts';
import type { MemslotError } from './memslot-errors.ts';
import type { MemslotCaller, MemslotChange, UserMemoryRegion } from './memslot-region.ts';
import {
  duplicateMemslots,
  memslotById,
  publishMemslots,
  replaceMemslot,
  setMemslotFlags,
  settleMemslots,
  type Memslot,
} from './memslot-table.ts';
import { activeMemslots, memslotsGeneration } from './memslots.ts';
import { VM_MEMSLOTS_IN_CALL } from '../mmu/mmu-words.ts';
import { allocateFromSlotHeap, freeToSlotHeap, SLOT_HEAP_FULL } from './slot-heap.ts';
import { traceUmbraMemslot } from '../trace/trace-events.ts';

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
   * (change is not DELETE and newFlags has LOG_DIRTY_PAGES), and then what the eras before 3.17 do about MMIO sptes.
   */
  commitMemoryRegion(commit: MemslotCommit): void;
  /**
   * kvm_arch_memslots_updated, from 3.17 on: after every install, with the generation that the table has when it has settled
   * (v6.8: will have).
   */
  memslotsUpdated(generation: bigint): void;
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
  const begun = beginMemslotUpdate(arena, limits, mmu, region, caller);
  return begun.ok ? ok(begun.value.finish()) : begun;
}

/** The checks. A refusal leaves nothing behind; otherwise nothing has happened yet but that memory was set aside. */
export function beginMemslotUpdate(
  arena: Arena,
  limits: MemslotLimits,
  mmu: MemslotMmu,
  region: UserMemoryRegion,
  caller: MemslotCaller = 'user',
): Result<MemslotUpdate, MemslotError> {
  const planned = planMemoryRegion(arena, limits, region, caller);
  return planned.ok ? ok(new MemslotUpdate(arena, limits, mmu, planned.value)) : planned;
}

/**
 * The steps of a change, in the order of the eras before 3.17; each name says what has happened when it is done.
 * - `invalid-…`: DELETE and MOVE only, with the slot's copy marked INVALID.
 * - `installed`: the table is published. `drained`: no reader of the old one is left (synchronize_srcu_expedited).
 * - `settled`: the generation has its final value. Before 3.17 that is so as soon as the table is published.
 * - `wrap-checked`: kvm_mmu_invalidate_mmio_sptes has looked whether the generation went round. Before 3.17 it is the last
 *   part of `committed`; v3.17 does it after `settled`, v6.8 before (152482580a1b).
 */
export type MemslotStep =
  | 'invalid-installed'
  | 'invalid-settled'
  | 'invalid-drained'
  | 'invalid-wrap-checked'
  | 'flushed'
  | 'installed'
  | 'settled'
  | 'drained'
  | 'wrap-checked'
  | 'committed'
  | 'freed';

interface StepWork {
  readonly name: MemslotStep;
  readonly run: () => void;
}

const nothing = (): void => {};

/** A change in progress. Whoever has begun one finishes it before beginning another: the kernel holds slots_lock meanwhile. */
export class MemslotUpdate {
  readonly change: MemslotChange;
  private readonly arena: Arena;
  private readonly mmu: MemslotMmu;
  private readonly plan: MemslotPlan;
  private readonly generationBefore: bigint;
  private readonly steps: readonly StepWork[];
  private done = 0;

  /** Use {@link beginMemslotUpdate}. */
  constructor(arena: Arena, limits: MemslotLimits, mmu: MemslotMmu, plan: MemslotPlan) {
    this.arena = arena;
    this.mmu = mmu;
    this.plan = plan;
    this.change = plan.change;
    this.generationBefore = memslotsGeneration(arena);
    this.steps = plan.change === 'NONE' ? [] : this.stepsOf(plan.change, newMemslot(arena, limits, plan));
  }

  /** What {@link step} will have done; undefined when all is done. */
  get next(): MemslotStep | undefined {
    return this.steps[this.done]?.name;
  }

  /** All of its steps, in the order of the era. */
  get names(): readonly MemslotStep[] {
    return this.steps.map(({ name }) => name);
  }

  /** How many of them are done. */
  get taken(): number {
    return this.done;
  }

  step(): void {
    const inCall = (this.arena.layout.vm + VM_MEMSLOTS_IN_CALL) >> 2;
    Atomics.store(this.arena.i32, inCall, 1);
    this.steps[this.done].run();
    this.done += 1;
    if (this.next !== undefined) return;
    Atomics.store(this.arena.i32, inCall, 0);
    this.trace();
  }

  /** Takes the steps that are left. */
  finish(): MemslotChangeReport {
    while (this.next !== undefined) this.step();
    return this.report();
  }

  /** What has come of it so far. */
  report(): MemslotChangeReport {
    return changeReport(this.arena, this.change, this.generationBefore, memslotsGeneration(this.arena));
  }

  private trace(): void {
    if (this.change === 'NONE') return;
    const { generationBefore, generationAfter } = this.report();
    traceUmbraMemslot(this.arena, this.plan.id, CHANGE_NUMBER[this.change], generationBefore, generationAfter);
  }

  private stepsOf(change: MemslotCommit['change'], next: Memslot): readonly StepWork[] {
    const { arena, mmu, plan } = this;
    const { id, old } = plan;
    const steps: StepWork[] = [];
    if (change === 'DELETE' || change === 'MOVE') {
      assert(old !== undefined, 'DELETE or MOVE of an empty slot');
      const invalidate = (): void => {
        const table = duplicateMemslots(arena);
        setMemslotFlags(arena, table, id, old.flags | KVM_MEMSLOT_INVALID);
        publishMemslots(arena);
      };
      steps.push(...this.install('invalid-', invalidate), {
        name: 'flushed',
        run: () => mmu.flushShadowMemslot(memslotById(arena, activeMemslots(arena), id)),
      });
    }
    const publish = (): void => {
      replaceMemslot(arena, duplicateMemslots(arena), next);
      publishMemslots(arena);
    };
    const commit = (): void =>
      mmu.commitMemoryRegion({
        change,
        slotId: id,
        slot: memslotById(arena, activeMemslots(arena), id),
        oldFlags: old?.flags ?? 0,
        newFlags: plan.flags,
        npages: plan.npages,
      });
    steps.push(...this.install('', publish), { name: 'committed', run: commit });
    if (!settlesGeneration(eraOf(arena))) steps.push({ name: 'wrap-checked', run: nothing });
    steps.push({ name: 'freed', run: () => freeOld(arena, old, next) });
    return steps;
  }

  /** install_new_memslots, kvm_swap_active_memslots: publish, and wait until nobody reads the old table. */
  private install(prefix: '' | 'invalid-', publish: () => void): readonly StepWork[] {
    const { arena, mmu } = this;
    const era = eraOf(arena);
    const installed: StepWork = { name: `${prefix}installed`, run: publish };
    const drained: StepWork = { name: `${prefix}drained`, run: () => mmu.synchronizeReaders() };
    const settle = (): void => settleMemslots(arena);
    const updated = (generation: () => bigint) => () => mmu.memslotsUpdated(generation());
    switch (era) {
      case 'v3.10':
      case 'patch':
      case 'v3.11':
        return [installed, { name: `${prefix}settled`, run: nothing }, drained];
      case 'v3.17':
        return [
          installed,
          drained,
          { name: `${prefix}settled`, run: settle },
          { name: `${prefix}wrap-checked`, run: updated(() => memslotsGeneration(arena)) },
        ];
      case 'v6.8':
        return [
          installed,
          drained,
          {
            name: `${prefix}wrap-checked`,
            run: updated(() => settledGeneration(era, memslotsGeneration(arena))),
          },
          { name: `${prefix}settled`, run: settle },
        ];
    }
  }
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

/** kvm_free_physmem_slot: what the new slot does not share with the old one. */
function freeOld(arena: Arena, old: Memslot | undefined, next: Memslot): void {
  if (old === undefined) return;
  if (old.dirtyBitmap !== next.dirtyBitmap) freeToSlotHeap(arena, old.dirtyBitmap);
  if (old.rmap[0] !== next.rmap[0]) freeSlotArrays(arena, old);
}

/** Everything that can fail comes before anything is installed; the plan has made sure that there is room. */
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
