/**
 * Shadow pages and sptes for people to look at. Pure: nothing in the arena changes, and a running machine may be read (values
 * may then be torn or already gone).
 */
import { SP_IN_USE, SP_MMIO_CACHED, SP_PARENT_PTES, SP_ROOT_COUNT, SP_UNSYNC } from '../arena/mmu-layout.ts';
import { currentMmioGeneration, ERA_V3_10 } from './eras.ts';
import { visibleSpteGeneration } from './mmio-fault.ts';
import { MMU_EPT, PT_WRITABLE_MASK, type Mmu } from './mmu.ts';
import { isLastSpte, isMmio, isShadowPresent } from './mmu-spte.ts';
import { pteListFirst } from './rmap-list.ts';
import { isObsolete, pageGfnWord, pageHeader, pageHpa, pageOfHpa, pageRole } from './shadow-page-pool.ts';
import { roleIsDirect, roleIsInvalid, roleLevel, roleText } from './shadow-page-role.ts';
import { mmioSpteAccess, mmioSpteGeneration, mmioSpteGfn } from './spte-mmio.ts';

export interface ShadowPageView {
  readonly index: number;
  readonly hpa: number;
  readonly gfn: number;
  readonly level: number;
  readonly role: number;
  readonly roleText: string;
  readonly direct: boolean;
  readonly rootCount: number;
  readonly obsolete: boolean;
  readonly invalid: boolean;
  readonly unsync: boolean;
  readonly mmioCached: boolean;
  /** Entries that are shadow-present. */
  readonly present: number;
  readonly mmioFresh: number;
  readonly mmioStale: number;
  /** Page that links here (the first, when there are several) or −1. */
  readonly parent: number;
}

export type SpteViewKind = 'mmio' | 'leaf' | 'large' | 'link' | 'empty';

export interface SpteView {
  readonly page: number;
  readonly entry: number;
  readonly sptep: number;
  readonly level: number;
  readonly gfn: number;
  readonly value: bigint;
  readonly kind: SpteViewKind;
  /** −1 when it is no MMIO spte, or the era keeps no generation. */
  readonly gen: number;
  readonly stale: boolean;
  readonly writable: boolean;
  readonly access: string;
}

/** Indexes of the pages in use, lowest first. */
export function shadowPagesInUse(mmu: Mmu): readonly number[] {
  const pages: number[] = [];
  for (let page = 0; page < mmu.arena.layout.config.shadowPages; page++) {
    if (mmu.i32[pageHeader(mmu, page) + (SP_IN_USE >> 2)] !== 0) pages.push(page);
  }
  return pages;
}

export function readShadowPage(mmu: Mmu, page: number): ShadowPageView {
  const { i32 } = mmu;
  const header = pageHeader(mmu, page);
  const role = pageRole(mmu, page);
  const current = currentMmioGeneration(mmu.arena);
  let present = 0;
  let mmioFresh = 0;
  let mmioStale = 0;
  const table = pageHpa(mmu, page) >> 2;
  for (let word = table; word < table + 1024; word += 2) {
    const lo = i32[word];
    const hi = i32[word + 1];
    if ((lo | hi) === 0) continue;
    if (isShadowPresent(mmu, lo, hi)) present++;
    else if (isMmio(mmu, lo, hi)) {
      if (isStale(mmu, current, lo, hi)) mmioStale++;
      else mmioFresh++;
    }
  }
  const parentPte = pteListFirst(mmu, header + (SP_PARENT_PTES >> 2));
  return {
    index: page,
    hpa: pageHpa(mmu, page),
    gfn: mmu.f64[pageGfnWord(mmu, page)],
    level: roleLevel(role),
    role,
    roleText: roleText(role),
    direct: roleIsDirect(role),
    rootCount: i32[header + (SP_ROOT_COUNT >> 2)],
    obsolete: isObsolete(mmu, page),
    invalid: roleIsInvalid(role),
    unsync: i32[header + (SP_UNSYNC >> 2)] !== 0,
    mmioCached: i32[header + (SP_MMIO_CACHED >> 2)] !== 0,
    present,
    mmioFresh,
    mmioStale,
    parent: parentPte === 0 ? -1 : pageOfHpa(mmu, parentPte),
  };
}

const isStale = (mmu: Mmu, current: number, lo: number, hi: number): boolean =>
  mmu.era !== ERA_V3_10 && mmioSpteGeneration(mmu.mmioMaskLo, mmu.mmioMaskHi, lo, hi) !== current;

/** What an entry of a page maps, from where it stands (for an MMIO spte it says the same in itself). */
export function entryGfn(mmu: Mmu, page: number, entry: number, level: number): number {
  return mmu.f64[pageGfnWord(mmu, page)] + entry * 512 ** (level - 1);
}

function kindOf(mmu: Mmu, lo: number, hi: number, level: number): SpteViewKind {
  if (isMmio(mmu, lo, hi)) return 'mmio';
  if (!isShadowPresent(mmu, lo, hi)) return 'empty';
  if (!isLastSpte(lo, level)) return 'link';
  return level === 1 ? 'leaf' : 'large';
}

function accessText(mmu: Mmu, kind: SpteViewKind, lo: number, hi: number): string {
  if (kind === 'empty') return '---';
  if (kind === 'mmio') {
    const access = mmioSpteAccess(mmu.mmioMaskLo, lo);
    return `${access & 2 ? 'w' : '-'}${access & 4 ? 'u' : '-'}`;
  }
  const w = lo & 2 ? 'w' : '-';
  if (mmu.mode === MMU_EPT) return `${lo & 1 ? 'r' : '-'}${w}${lo & 4 ? 'x' : '-'}`;
  return `${w}${lo & 4 ? 'u' : '-'}${hi < 0 ? '-' : 'x'}`;
}

export function readSpte(mmu: Mmu, page: number, entry: number): SpteView {
  const sptep = pageHpa(mmu, page) + entry * 8;
  const lo = mmu.i32[sptep >> 2];
  const hi = mmu.i32[(sptep >> 2) + 1];
  const level = roleLevel(pageRole(mmu, page));
  const kind = kindOf(mmu, lo, hi, level);
  return {
    page,
    entry,
    sptep,
    level,
    gfn: kind === 'mmio' ? mmioSpteGfn(mmu.mmioMaskHi, lo, hi) : entryGfn(mmu, page, entry, level),
    value: (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0),
    kind,
    gen: visibleSpteGeneration(mmu, lo, hi),
    stale: kind === 'mmio' && isStale(mmu, currentMmioGeneration(mmu.arena), lo, hi),
    writable: (kind === 'leaf' || kind === 'large' || kind === 'link') && (lo & PT_WRITABLE_MASK) !== 0,
    access: accessText(mmu, kind, lo, hi),
  };
}

/**
 * Calls `visit` for every entry that is not empty, page by page: for filters and counts over a million entries without an
 * object each. `gfn` is what the entry maps.
 */
export function visitSptes(
  mmu: Mmu,
  visit: (sptep: number, lo: number, hi: number, level: number, gfn: number, page: number) => void,
): void {
  const { i32 } = mmu;
  for (const page of shadowPagesInUse(mmu)) {
    const level = roleLevel(pageRole(mmu, page));
    const table = pageHpa(mmu, page);
    const first = mmu.f64[pageGfnWord(mmu, page)];
    const frames = 512 ** (level - 1);
    for (let entry = 0; entry < 512; entry++) {
      const word = (table >> 2) + 2 * entry;
      const lo = i32[word];
      const hi = i32[word + 1];
      if ((lo | hi) !== 0) visit(table + 8 * entry, lo, hi, level, first + entry * frames, page);
    }
  }
}

/** MMIO sptes per bucket of a range of frames, fresh and stale apart. */
export function mmioSpteHeat(
  mmu: Mmu,
  startGfn: number,
  gfnCount: number,
  buckets: number,
): { readonly fresh: Uint32Array; readonly stale: Uint32Array } {
  const fresh = new Uint32Array(buckets);
  const stale = new Uint32Array(buckets);
  const current = currentMmioGeneration(mmu.arena);
  visitSptes(mmu, (_sptep, lo, hi, _level, gfn) => {
    if (gfn < startGfn || gfn >= startGfn + gfnCount || !isMmio(mmu, lo, hi)) return;
    const bucket = Math.floor(((gfn - startGfn) / gfnCount) * buckets);
    if (isStale(mmu, current, lo, hi)) stale[bucket]++;
    else fresh[bucket]++;
  });
  return { fresh, stale };
}

/** The counts by looking at every entry, for whoever does not trust the ones that are kept. */
export function countMmioSptes(mmu: Mmu): { readonly live: number; readonly fresh: number } {
  let live = 0;
  let fresh = 0;
  const current = currentMmioGeneration(mmu.arena);
  visitSptes(mmu, (_sptep, lo, hi) => {
    if (!isMmio(mmu, lo, hi)) return;
    live++;
    if (!isStale(mmu, current, lo, hi)) fresh++;
  });
  return { live, fresh };
}
