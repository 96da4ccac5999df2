/**
 * What the MMU does for memslots: the era's answer to a change (kvm_arch_flush_shadow_memslot and
 * kvm_arch_commit_memory_region of arch/x86/kvm/x86.c), the page quota, and write protection for dirty logs.
 */
import { MEMSLOT_NPAGES } from '../../arena/memslot-layout.ts';
import { VM_N_REQUESTED_MMU_PAGES } from '../../arena/mmu-layout.ts';
import { WATCH_MEMSLOTS, WATCH_WRAP } from '../hooks.ts';
import type { DirtyLogMmu } from '../memslots/dirty-log.ts';
import { ERAS } from '../../base/machine-modes.ts';
import { ERA_PATCH, ERA_V3_10, ERA_V6_8, settlesGeneration, zapsAtGeneration } from '../eras.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '../memslots/limits.ts';
import type { MemslotCommit, MemslotMmu } from '../memslots/memslot-update.ts';
import { memslotAt, memslotCount, memslotsGeneration } from '../memslots/memslots.ts';
import { synchronizeSrcu } from '../vcpu/guest-mode.ts';
import type { Mmu } from './mmu.ts';
import { flushRemoteTlbs } from '../vcpu/requests.ts';
import { slotRemoveWriteAccess, writeProtectPtMasked, zapCollapsibleSptes } from './rmap.ts';
import { changeMmuPages, invalidateZapAllPages, zapAllPages, zapMmioSptes } from './shadow-page-zap.ts';

export const KVM_PERMILLE_MMU_PAGES = 20;
export const KVM_MIN_ALLOC_MMU_PAGES = 64;

/** kvm_mmu_calculate_mmu_pages; never more than the pool holds. */
export function calculateMmuPages(mmu: Mmu): number {
  let pages = 0;
  const count = memslotCount(mmu.arena);
  for (let i = 0; i < count; i++) pages += mmu.f64[(memslotAt(mmu.arena, i) + MEMSLOT_NPAGES) >> 3];
  const quota = Math.floor((pages * KVM_PERMILLE_MMU_PAGES) / 1000);
  return Math.min(Math.max(quota, KVM_MIN_ALLOC_MMU_PAGES), mmu.arena.layout.config.shadowPages);
}

/**
 * kvm_mmu_invalidate_mmio_sptes. Nothing to do but at the wrap-around. In the series' eras the value just below the maximum
 * counts as well, because the INVALID install of a DELETE or MOVE is not followed by this test; since 3.12 every install is.
 */
function invalidateMmioSptes(mmu: Mmu, generation: bigint): void {
  if (!zapsAtGeneration(ERAS[mmu.era], generation)) return;
  const { watch } = mmu.hooks;
  if (watch !== undefined && (watch.armed & WATCH_WRAP) !== 0) watch.onGenerationWrap(generation);
  if (mmu.era === ERA_PATCH) {
    zapMmioSptes(mmu);
    return;
  }
  // From 5.1 on the line is for kernels built to debug only.
  if (mmu.era !== ERA_V6_8) mmu.log('info', 'kvm: zapping shadow pages for mmio generation wraparound');
  invalidateZapAllPages(mmu);
}

/**
 * kvm_mmu_slot_apply_flags of v6.8: only where flags change and nothing else, and not of a read-only slot. Logging that ends
 * makes room for large pages again; that a slot is made or moved with it on leaves nothing to protect.
 */
function applyFlags(mmu: Mmu, { change, slot, newFlags }: MemslotCommit): void {
  if (change !== 'FLAGS_ONLY' || (newFlags & KVM_MEM_READONLY) !== 0) return;
  if ((newFlags & KVM_MEM_LOG_DIRTY_PAGES) !== 0) slotRemoveWriteAccess(mmu, slot);
  else zapCollapsibleSptes(mmu, slot);
}

export class MmuMemslots implements MemslotMmu, DirtyLogMmu {
  private readonly mmu: Mmu;

  constructor(mmu: Mmu) {
    this.mmu = mmu;
  }

  synchronizeReaders(): void {
    synchronizeSrcu(this.mmu);
  }

  flushShadowMemslot(_slot: number): void {
    if (this.mmu.era === ERA_V3_10) zapAllPages(this.mmu);
    else invalidateZapAllPages(this.mmu);
  }

  commitMemoryRegion(commit: MemslotCommit): void {
    const { mmu } = this;
    const { watch } = mmu.hooks;
    if (watch !== undefined && (watch.armed & WATCH_MEMSLOTS) !== 0) {
      watch.onMemslotChange(commit.change, commit.slotId, commit.npages);
    }
    if (mmu.i32[(mmu.vm + VM_N_REQUESTED_MMU_PAGES) >> 2] === 0) changeMmuPages(mmu, calculateMmuPages(mmu));
    if (mmu.era === ERA_V6_8) applyFlags(mmu, commit);
    else if (commit.change !== 'DELETE' && (commit.newFlags & KVM_MEM_LOG_DIRTY_PAGES) !== 0) {
      slotRemoveWriteAccess(mmu, commit.slot);
    }
    if (settlesGeneration(ERAS[mmu.era])) return;
    if (mmu.era !== ERA_V3_10) invalidateMmioSptes(mmu, memslotsGeneration(mmu.arena));
    else if (commit.change === 'CREATE' || commit.change === 'MOVE') zapMmioSptes(mmu);
  }

  memslotsUpdated(generation: bigint): void {
    invalidateMmioSptes(this.mmu, generation);
  }

  writeProtectMasked(slot: number, gfnOffset: number, mask: number): void {
    writeProtectPtMasked(this.mmu, slot, gfnOffset, mask);
  }

  flushRemoteTlbs(): void {
    flushRemoteTlbs(this.mmu);
  }
}
