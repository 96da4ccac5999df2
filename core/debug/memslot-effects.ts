/** What a memslot change does to the MMU: before it happens by counting, afterwards by comparing. */
import type { Arena } from '../arena/arena.ts';
import { VM_COUNTERS_AT, VM_N_USED_MMU_PAGES, SP_MMIO_CACHED } from '../arena/mmu-layout.ts';
import { VM_COUNTER_INDEX } from '../base/counters.ts';
import type { Era } from '../base/machine-modes.ts';
import { countMmioSptes, type MemslotChangeReport } from '../kvm/index.ts';
import type { MemslotChange, MemslotReport } from '../protocol/snapshots.ts';
import { pageHeader, pageInUse, pageRole, roleIsInvalid } from './shadow-page.ts';

/** The MMU before a change. */
export interface MmuBefore {
  readonly usedPages: number;
  /** Roots that were zapped while a vCPU runs on them: they stand until it lets go of them. */
  readonly invalidRoots: number;
  readonly zapped: number;
  readonly freshSptes: number;
  readonly mmioCachedPages: number;
}

export function mmuBefore(arena: Arena): MmuBefore {
  return {
    usedPages: arena.i32[(arena.layout.vm + VM_N_USED_MMU_PAGES) >> 2],
    invalidRoots: countPages(arena, (page) => roleIsInvalid(pageRole(arena, page))),
    zapped: zappedPages(arena),
    freshSptes: countMmioSptes(arena).fresh,
    mmioCachedPages: countPages(arena, (page) => arena.i32[(pageHeader(arena, page) + SP_MMIO_CACHED) >> 2] !== 0),
  };
}

const zappedPages = (arena: Arena): number =>
  arena.f64[(arena.layout.vm + VM_COUNTERS_AT) / 8 + VM_COUNTER_INDEX.mmu_shadow_zapped];

function countPages(arena: Arena, isMeant: (page: number) => boolean): number {
  let count = 0;
  for (let page = 0; page < arena.layout.config.shadowPages; page++) {
    if (pageInUse(arena, page) && isMeant(page)) count += 1;
  }
  return count;
}

/**
 * Pages that kvm_mmu_zap_mmio_sptes of v3.10 visits for a change: all active ones when a slot is created. A move has just
 * zapped them all (kvm_arch_flush_shadow_memslot), a deletion too, and changed flags make no MMIO into RAM.
 */
const walkedByV310 = (change: MemslotChange, before: MmuBefore): number => (change === 'CREATE' ? before.usedPages : 0);

/** After the change. */
export function reportChange(
  arena: Arena,
  report: MemslotChangeReport,
  before: MmuBefore,
  wrapped: boolean,
): MemslotReport {
  return {
    ...reportOf(report),
    mmioSptesGoneStale: goneStale(arena, report),
    pagesZapped: zappedPages(arena) - before.zapped,
    pagesWalkedBefore: walkedByV310(report.change, before),
    wrapped,
  };
}

/** Those that were fresh and still stand there; what was zapped with its page is no longer stale but gone. */
function goneStale(arena: Arena, report: MemslotChangeReport): number {
  if (report.mmioGenerationAfter === report.mmioGenerationBefore) return 0;
  return countMmioSptes(arena, report.mmioGenerationBefore).fresh;
}

/** Before the change: what it would come to. */
export function foreseeChange(era: Era, report: MemslotChangeReport, before: MmuBefore, wraps: boolean): MemslotReport {
  const { change } = report;
  const flushesAll = change === 'DELETE' || change === 'MOVE';
  const pagesZapped = flushesAll ? pagesOfZapAll(era, before) : pagesForeseen(era, change, before, wraps);
  const takesMmioPages = flushesAll || (wraps && era !== 'v3.10');
  return {
    ...reportOf(report),
    mmioSptesGoneStale: change === 'NONE' || era === 'v3.10' || takesMmioPages ? 0 : before.freshSptes,
    pagesZapped,
    pagesWalkedBefore: walkedByV310(change, before),
    wrapped: wraps,
  };
}

function pagesForeseen(era: Era, change: MemslotChange, before: MmuBefore, wraps: boolean): number {
  if (era === 'v3.10') return change === 'CREATE' ? before.mmioCachedPages : 0;
  if (!wraps) return 0;
  return era === 'patch' ? before.mmioCachedPages : pagesOfZapAll(era, before);
}

/** kvm_zap_obsolete_pages passes over a root that is invalid already; kvm_mmu_zap_all of v3.10 prepares it again and counts it. */
const pagesOfZapAll = (era: Era, before: MmuBefore): number =>
  era === 'v3.10' ? before.usedPages : before.usedPages - before.invalidRoots;

const reportOf = (
  report: MemslotChangeReport,
): Pick<
  MemslotReport,
  'change' | 'generationBefore' | 'generationAfter' | 'mmioGenerationBefore' | 'mmioGenerationAfter'
> => ({
  change: report.change,
  generationBefore: report.generationBefore,
  generationAfter: report.generationAfter,
  mmioGenerationBefore: report.mmioGenerationBefore,
  mmioGenerationAfter: report.mmioGenerationAfter,
});
