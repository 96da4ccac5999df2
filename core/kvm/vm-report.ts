/**
 * What a memslot change does to the MMU, in the numbers that make eras comparable: counted around a change that happens
 * ({@link reportChange}), or foretold from what stands there ({@link foreseeChange}). Both say the same of the same call.
 */
import {
  SP_IN_USE,
  SP_LINK_NEXT,
  SP_MMIO_CACHED,
  SP_ROLE,
  SP_ROOT_COUNT,
  VM_ACTIVE_HEAD,
  VM_COUNTERS_AT,
  VM_MMIO_SPTES,
  VM_N_USED_MMU_PAGES,
} from '../arena/mmu-layout.ts';
import { VCPU_ROOT_LEVELS, VCPU_ROOT_PAGE } from '../arena/vcpu-layout.ts';
import { VM_COUNTER_INDEX } from '../base/counters.ts';
import { ERAS } from '../base/machine-modes.ts';
import { changeWraps, currentMmioGeneration, ERA_PATCH, ERA_V3_10 } from './eras.ts';
import { installsOf, type MemslotPreview } from './memslots/memslot-preview.ts';
import type { MemslotChange, MemslotChangeReport } from './memslots/memslot-update.ts';
import { PT32E_ROOT_LEVEL, type Mmu } from './mmu/mmu.ts';
import { VCPU_PAE_ROOT, VCPU_ROOT_VALID, VM_MMIO_FRESH, VM_MMIO_FRESH_GEN } from './mmu/mmu-words.ts';
import { NO_PAGE, pageHeader, pageOfHpa } from './mmu/shadow-page-pool.ts';
import { ROLE_INVALID } from './mmu/shadow-page-role.ts';

export interface VmMemslotReport extends MemslotChangeReport {
  /** Live MMIO sptes that are fresh before and stale after. */
  readonly mmioSptesGoneStale: number;
  /** Shadow pages handed to kvm_mmu_prepare_zap_page. */
  readonly pagesZapped: number;
  /** Shadow pages that kvm_mmu_zap_mmio_sptes of v3.10 visits for such a change. */
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

/** The MMU before a change. Cheap: taken around every change. */
export interface MmuBefore {
  readonly usedPages: number;
  /** Shadow pages that a vCPU has for its root: zapping empties them and leaves them on the active list. */
  readonly rootsInUse: number;
  readonly zapped: number;
  readonly freshSptes: number;
}

export const mmuBefore = (mmu: Mmu): MmuBefore => ({
  usedPages: mmu.i32[(mmu.vm + VM_N_USED_MMU_PAGES) >> 2],
  rootsInUse: rootsInUse(mmu),
  zapped: zappedPages(mmu),
  freshSptes: mmioSpteCounts(mmu).fresh,
});

const zappedPages = (mmu: Mmu): number =>
  mmu.f64[((mmu.vm + VM_COUNTERS_AT) >> 3) + VM_COUNTER_INDEX.mmu_shadow_zapped];

function rootsInUse(mmu: Mmu): number {
  const roots = new Set<number>();
  for (let id = 0; id < mmu.vcpuCount; id++) {
    const block = mmu.vcpuBlock(id);
    if (mmu.i32[block + VCPU_ROOT_VALID] === 0) continue;
    if (mmu.i32[block + VCPU_ROOT_LEVELS] !== PT32E_ROOT_LEVEL) roots.add(mmu.i32[block + VCPU_ROOT_PAGE]);
    else {
      for (let i = 0; i < 4; i++) {
        const root = mmu.i32[block + VCPU_PAE_ROOT + 2 * i];
        if (root !== 0) roots.add(pageOfHpa(mmu, root));
      }
    }
  }
  return roots.size;
}

/**
 * v3.10 walks all active pages when a slot is created or moved. Before a move kvm_arch_flush_shadow_memslot has just zapped
 * them, so that only roots in use are left to visit; a deletion does the same and needs no walk, nor do changed flags.
 */
function pagesWalkedByV310(change: MemslotChange, before: MmuBefore): number {
  if (change === 'CREATE') return before.usedPages;
  return change === 'MOVE' ? before.rootsInUse : 0;
}

/** After the change. */
export function reportChange(mmu: Mmu, report: MemslotChangeReport, before: MmuBefore): VmMemslotReport {
  const { change, generationBefore, mmioGenerationBefore, mmioGenerationAfter } = report;
  const aged = mmioGenerationAfter !== mmioGenerationBefore;
  return {
    ...report,
    // A zap that takes MMIO sptes takes all of them: what was zapped with its page is no longer stale but gone.
    mmioSptesGoneStale: aged ? Math.min(before.freshSptes, mmioSpteCounts(mmu).live) : 0,
    pagesZapped: zappedPages(mmu) - before.zapped,
    pagesWalkedBefore: pagesWalkedByV310(change, before),
    wrapped: changeWraps(ERAS[mmu.era], generationBefore, installsOf(change)),
  };
}

/** Before the change: what it would come to. Looks at the header of every shadow page and changes nothing. */
export function foreseeChange(mmu: Mmu, preview: MemslotPreview): VmMemslotReport {
  const { wraps, ...report } = preview;
  const { change } = report;
  const before = mmuBefore(mmu);
  const flushesAll = change === 'DELETE' || change === 'MOVE';
  const ages = change !== 'NONE' && mmu.era !== ERA_V3_10;
  return {
    ...report,
    mmioSptesGoneStale: !ages || flushesAll || wraps ? 0 : before.freshSptes,
    pagesZapped: flushesAll ? pagesOfZapAll(mmu, before) : pagesOfCommit(mmu, change, before, wraps),
    pagesWalkedBefore: pagesWalkedByV310(change, before),
    wrapped: wraps,
  };
}

function pagesOfCommit(mmu: Mmu, change: MemslotChange, before: MmuBefore, wraps: boolean): number {
  if (mmu.era === ERA_V3_10) return change === 'CREATE' ? mmioCachedPages(mmu) : 0;
  if (!wraps) return 0;
  return mmu.era === ERA_PATCH ? mmioCachedPages(mmu) : pagesOfZapAll(mmu, before);
}

/** kvm_zap_obsolete_pages passes over a root that was zapped while a vCPU runs on it. */
const pagesOfZapAll = (mmu: Mmu, before: MmuBefore): number =>
  mmu.era === ERA_V3_10 ? pagesOfV310ZapAll(mmu) : before.usedPages - invalidRoots(mmu);

/**
 * kvm_mmu_zap_all of v3.10 starts over after every page that went and prepares anew, and counts, the roots in use that it
 * has put at the head of the list.
 */
function pagesOfV310ZapAll(mmu: Mmu): number {
  const { i32 } = mmu;
  let prepared = 0;
  let rootsAhead = 0;
  for (let page = i32[(mmu.vm + VM_ACTIVE_HEAD) >> 2]; page !== NO_PAGE;) {
    const header = pageHeader(mmu, page);
    const isRoot = i32[header + (SP_ROOT_COUNT >> 2)] !== 0;
    prepared += isRoot ? 1 : 1 + rootsAhead;
    if (isRoot) rootsAhead += 1;
    page = i32[header + (SP_LINK_NEXT >> 2)];
  }
  return prepared;
}

const mmioCachedPages = (mmu: Mmu): number =>
  countPages(mmu, (header) => mmu.i32[header + (SP_MMIO_CACHED >> 2)] !== 0);
const invalidRoots = (mmu: Mmu): number =>
  countPages(mmu, (header) => (mmu.i32[header + (SP_ROLE >> 2)] & ROLE_INVALID) !== 0);

/** @param isMeant gets the int32 index of the header of a page in use */
function countPages(mmu: Mmu, isMeant: (header: number) => boolean): number {
  let count = 0;
  for (let page = 0; page < mmu.arena.layout.config.shadowPages; page++) {
    const header = pageHeader(mmu, page);
    if (mmu.i32[header + (SP_IN_USE >> 2)] !== 0 && isMeant(header)) count += 1;
  }
  return count;
}
