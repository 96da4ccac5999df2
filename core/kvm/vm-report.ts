/** What a memslot change did to the MMU: the numbers that make eras comparable. */
import { VM_MMIO_SPTES } from '../arena/mmu-layout.ts';
import { currentMmioGeneration, ERA_V3_10 } from './eras.ts';
import type { MemslotChangeReport } from './memslot-update.ts';
import type { Mmu } from './mmu.ts';
import { VM_MMIO_FRESH, VM_MMIO_FRESH_GEN } from './mmu-words.ts';

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
