/** What a memslot change did to the MMU, or would do: the numbers that make eras comparable. */
import { SP_IN_USE, SP_MMIO_CACHED, VM_MMIO_SPTES } from '../arena/mmu-layout.ts';
import { currentMmioGeneration, ERA_PATCH, ERA_V3_10 } from './eras.ts';
import type { MemslotChange } from './memslot-region.ts';
import type { MemslotChangeReport } from './memslot-update.ts';
import type { Mmu } from './mmu.ts';
import { VM_MMIO_FRESH, VM_MMIO_FRESH_GEN } from './mmu-words.ts';
import { pageHeader } from './shadow-page-pool.ts';

export interface VmMemslotReport extends MemslotChangeReport {
  /** Live MMIO sptes that are fresh before and stale after. */
  readonly mmioSptesGoneStale: number;
  /** Shadow pages handed to kvm_mmu_prepare_zap_page. */
  readonly pagesZapped: number;
  /** Shadow pages that the walk of v3.10 visits for such a change. */
  readonly pagesWalkedBefore: number;
  /** The generation was found at its end and everything that must not be mistaken for fresh was zapped. */
  readonly wrapped: boolean;
}

/** Live MMIO sptes, and how many of them carry the current generation. No scan: writers of sptes keep count. */
export function mmioSpteCounts(mmu: Mmu): { readonly live: number; readonly fresh: number } {
  const { i32, vm } = mmu;
  const live = i32[(vm + VM_MMIO_SPTES) >> 2];
  if (mmu.era === ERA_V3_10) return { live, fresh: live };
  const counted = i32[(vm + VM_MMIO_FRESH_GEN) >> 2] === currentMmioGeneration(mmu.arena);
  return { live, fresh: counted ? i32[(vm + VM_MMIO_FRESH) >> 2] : 0 };
}

/** v3.10 walks the active list when a slot is created or moved, and zaps all of it when one goes away. */
export const pagesWalkedBefore = (mmu: Mmu, change: MemslotChange): number =>
  change === 'NONE' || change === 'FLAGS_ONLY' ? 0 : mmu.i32[mmu.usedPages];

/** Pages that a change is going to zap, as far as it does not depend on a quota that shrinks. */
export function predictZappedPages(mmu: Mmu, change: MemslotChange, wraps: boolean): number {
  if (change === 'NONE') return 0;
  if (change === 'DELETE' || change === 'MOVE') return mmu.i32[mmu.usedPages];
  if (mmu.era === ERA_V3_10) return change === 'CREATE' ? countMmioCachedPages(mmu) : 0;
  if (!wraps) return 0;
  return mmu.era === ERA_PATCH ? countMmioCachedPages(mmu) : mmu.i32[mmu.usedPages];
}

function countMmioCachedPages(mmu: Mmu): number {
  let pages = 0;
  for (let page = 0; page < mmu.arena.layout.config.shadowPages; page++) {
    const header = pageHeader(mmu, page);
    if (mmu.i32[header + (SP_IN_USE >> 2)] !== 0 && mmu.i32[header + (SP_MMIO_CACHED >> 2)] !== 0) pages++;
  }
  return pages;
}
