/**
 * Memslot changes tried out on a copy: the same code as in earnest, on a buffer that holds everything of the VM that a change
 * reads or writes. Guest RAM is no part of it: it lies last in the arena, and a change only computes with its addresses.
 */
import type { Arena } from '../arena/arena.ts';
import type { ArenaLayout } from '../arena/layout.ts';
import { MMU_PAGE_BYTES, SP_IN_USE, SP_ROLE, VM_MMU_LOCK, VM_TRACE_MASK } from '../arena/mmu-layout.ts';
import type { Result } from '../base/result.ts';
import { ok } from '../base/result.ts';
import { noHooks } from './hooks.ts';
import type { MemslotLimits } from './memslots/limits.ts';
import { setMemoryRegion, type MemslotError, type UserMemoryRegion } from './memslots/memslot-update.ts';
import { MmuMemslots } from './mmu/mmu-memslots.ts';
import { Mmu, mmuLock, mmuUnlock } from './mmu/mmu.ts';
import { VM_MMU_LOCK_WAITERS, VM_THREADED } from './mmu/mmu-words.ts';
import { ROLE_DIRECT } from './mmu/shadow-page-role.ts';
import type { Vm } from './vm.ts';
import { mmuBefore, reportChange, type VmMemslotReport } from './vm-report.ts';

const PAGE = 4096;
const TRACE_MASK_BYTES = 12;

export class MemslotRehearsal {
  readonly #arena: Arena;

  /** @param allocate as for `createArena`; may throw when the platform has no memory left */
  constructor(layout: ArenaLayout, allocate: (bytes: number) => SharedArrayBuffer) {
    this.#arena = viewsOf(layout, allocate(layout.ram));
  }

  /**
   * Makes the calls one after the other on a copy of the VM as it is now, until one is refused. Nothing of the VM changes; a
   * vCPU that runs meanwhile waits for mmu_lock no longer than copying takes.
   */
  run(vm: Vm, regions: readonly UserMemoryRegion[]): readonly Result<VmMemslotReport, MemslotError>[] {
    mmuLock(vm.mmu);
    copyVm(vm.arena, this.#arena);
    mmuUnlock(vm.mmu);
    makeQuiet(this.#arena);
    const mmu = new Mmu(this.#arena, noHooks());
    const results: Result<VmMemslotReport, MemslotError>[] = [];
    for (const region of regions) {
      const result = rehearse(mmu, vm.limits, region);
      results.push(result);
      if (!result.ok) break;
    }
    return results;
  }
}

function rehearse(mmu: Mmu, limits: MemslotLimits, region: UserMemoryRegion): Result<VmMemslotReport, MemslotError> {
  const before = mmuBefore(mmu);
  const done = setMemoryRegion(mmu.arena, limits, new MmuMemslots(mmu), region);
  return done.ok ? ok(reportChange(mmu, done.value, before)) : done;
}

const viewsOf = (layout: ArenaLayout, buffer: SharedArrayBuffer): Arena => ({
  buffer,
  layout,
  u8: new Uint8Array(buffer),
  u16: new Uint16Array(buffer),
  i32: new Int32Array(buffer),
  u32: new Uint32Array(buffer),
  f64: new Float64Array(buffer),
  u64: new BigUint64Array(buffer),
  view: new DataView(buffer),
});

/** Of the pool only pages in use: the others are written before they are read. */
function copyVm(from: Arena, to: Arena): void {
  const { layout, i32 } = from;
  const copy = (start: number, end: number): void => to.u8.set(from.u8.subarray(start, end), start);
  copy(layout.vcpus, layout.shadowPages);
  for (let page = 0; page < layout.config.shadowPages; page++) {
    const header = layout.mmuPages + page * MMU_PAGE_BYTES;
    if (i32[(header + SP_IN_USE) >> 2] === 0) continue;
    const table = layout.shadowPages + page * PAGE;
    copy(table, table + PAGE);
    if ((i32[(header + SP_ROLE) >> 2] & ROLE_DIRECT) !== 0) continue;
    const gfns = layout.shadowGfns + page * PAGE;
    copy(gfns, gfns + PAGE);
  }
}

/** Nobody else is there: no thread to wait for, no lock to take, no trace to write. */
function makeQuiet({ i32, u8, layout: { vm } }: Arena): void {
  for (const word of [VM_THREADED, VM_MMU_LOCK, VM_MMU_LOCK_WAITERS]) i32[(vm + word) >> 2] = 0;
  u8.fill(0, vm + VM_TRACE_MASK, vm + VM_TRACE_MASK + TRACE_MASK_BYTES);
}
