/** A bare arena with memslots and a stand-in for the MMU that writes down what it is told. */
import { createArena, type Arena } from '../../../core/arena/arena.ts';
import { VM_ERA } from '../../../core/arena/mmu-layout.ts';
import type { Era } from '../../../core/base/machine-modes.ts';
import { HVA_BASE } from '../../../core/base/address.ts';
import type { DirtyLogMmu } from '../../../core/kvm/memslots/dirty-log.ts';
import { eraIndex } from '../../../core/kvm/eras.ts';
import { LIMITS_V3_11, type MemslotLimits } from '../../../core/kvm/memslots/limits.ts';
import { initMemslots } from '../../../core/kvm/memslots/memslot-table.ts';
import {
  setMemoryRegion,
  type MemslotCaller,
  type MemslotCommit,
  type MemslotMmu,
  type UserMemoryRegion,
} from '../../../core/kvm/memslots/memslot-update.ts';
import { memslotFlags, memslotsGeneration } from '../../../core/kvm/memslots/memslots.ts';

export const RAM_BYTES = 16 * 1024 * 1024;

export function bareArena(era: Era = 'patch', limits: MemslotLimits = LIMITS_V3_11): Arena {
  const config = { ramBytes: RAM_BYTES, vcpus: 2, memslots: limits.memSlots, shadowPages: 64, traceRecords: 64 };
  const arena = createArena(config, (bytes) => new SharedArrayBuffer(bytes));
  arena.i32[(arena.layout.vm + VM_ERA) >> 2] = eraIndex(era);
  initMemslots(arena);
  return arena;
}

export class WitnessMmu implements MemslotMmu, DirtyLogMmu {
  readonly arena: Arena;
  readonly calls: string[] = [];
  readonly commits: MemslotCommit[] = [];

  constructor(arena: Arena) {
    this.arena = arena;
  }

  synchronizeReaders(): void {
    this.calls.push(`synchronize at ${memslotsGeneration(this.arena)}`);
  }

  flushShadowMemslot(slot: number): void {
    const invalid = (memslotFlags(this.arena, slot) & 0x1_0000) !== 0;
    this.calls.push(`flush ${invalid ? 'invalid' : 'valid'} slot at ${memslotsGeneration(this.arena)}`);
  }

  commitMemoryRegion(commit: MemslotCommit): void {
    this.commits.push(commit);
    this.calls.push(`commit ${commit.change} at ${memslotsGeneration(this.arena)}`);
  }

  memslotsUpdated(generation: bigint): void {
    this.calls.push(`updated to ${generation} at ${memslotsGeneration(this.arena)}`);
  }

  writeProtectMasked(_slot: number, gfnOffset: number, mask: number): void {
    this.calls.push(`protect ${gfnOffset}+0x${(mask >>> 0).toString(16)}`);
  }

  flushRemoteTlbs(): void {
    this.calls.push('flush TLBs');
  }
}

/** A region in pages: `[slot, first gfn, pages, flags, hva]`. */
export type Call = readonly [slot: number, gfn: number, pages: number, flags?: number, hva?: bigint];

export const region = ([slot, gfn, pages, flags = 0, hva = HVA_BASE]: Call): UserMemoryRegion => ({
  slot,
  flags,
  guestPhysAddr: BigInt(gfn) << 12n,
  memorySize: BigInt(pages) << 12n,
  userspaceAddr: hva,
});

export class SlotBench {
  readonly arena: Arena;
  readonly mmu: WitnessMmu;
  readonly limits: MemslotLimits;

  constructor(era: Era = 'patch', limits: MemslotLimits = LIMITS_V3_11) {
    this.arena = bareArena(era, limits);
    this.mmu = new WitnessMmu(this.arena);
    this.limits = limits;
  }

  set(call: Call, caller: MemslotCaller = 'user'): ReturnType<typeof setMemoryRegion> {
    return setMemoryRegion(this.arena, this.limits, this.mmu, region(call), caller);
  }

  /** For what a test takes for granted. */
  mustSet(...calls: readonly Call[]): this {
    for (const call of calls) {
      const result = this.set(call);
      if (!result.ok) throw new Error(result.error.message);
    }
    return this;
  }
}

/** A copy of everything in the arena, to tell whether anything changed. */
export const photograph = (arena: Arena): Uint8Array => new Uint8Array(arena.u8);
