/**
 * The arena as the audit rules read it: pages in use and their entries, sorted into leaves, links and MMIO sptes. Made by one
 * pass that trusts nothing: indexes and offsets found in the arena are checked before they are followed.
 */
import {
  MMU_PAGE_BYTES,
  SP_IN_USE,
  SP_MMU_VALID_GEN,
  SP_ROLE,
  SP_ROOT_COUNT,
  SP_UNSYNC,
  SP_UNSYNC_CHILDREN,
} from '../../arena/mmu-layout.ts';
import type { AuditFinding, AuditRule, EraBug } from '../../base/audit-report.ts';
import type { Era } from '../../base/machine-modes.ts';
import { eraOf } from '../eras.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isLastSpte, isMmio, isShadowPresent, spteGfn } from '../mmu/mmu-spte.ts';
import { pageGfnWord, pageHpa } from '../mmu/shadow-page-pool.ts';
import { ROLE_DIRECT, ROLE_INVALID, roleLevel } from '../mmu/shadow-page-role.ts';

/** kvm_mmu_page by value. */
export interface AuditPage {
  readonly index: number;
  /** int32 index of its header. */
  readonly header: number;
  /** hpa of its 512 sptes. */
  readonly hpa: number;
  readonly gfn: number;
  readonly role: number;
  readonly level: number;
  readonly direct: boolean;
  readonly invalid: boolean;
  readonly unsync: boolean;
  readonly unsyncChildren: number;
  readonly rootCount: number;
  readonly validGen: number;
}

/** An entry that is not empty. */
export interface AuditSpte {
  readonly page: AuditPage;
  readonly sptep: number;
  readonly index: number;
  readonly lo: number;
  readonly hi: number;
  /** kvm_mmu_page_get_gfn; of links too: the first gfn below. */
  readonly gfn: number;
}

/** Frames that an entry of a level covers. */
export const framesOf = (level: number): number => 512 ** Math.max(0, level - 1);

export class AuditView {
  readonly mmu: Mmu;
  readonly era: Era;
  readonly pages: readonly AuditPage[];
  readonly leaves: AuditSpte[] = [];
  readonly links: AuditSpte[] = [];
  readonly mmioSptes: AuditSpte[] = [];
  readonly findings: AuditFinding[] = [];
  readonly #byIndex = new Map<number, AuditPage>();

  constructor(mmu: Mmu) {
    this.mmu = mmu;
    this.era = eraOf(mmu.arena);
    const pages: AuditPage[] = [];
    const first = (mmu.arena.layout.mmuPages + SP_IN_USE) >> 2;
    for (let index = 0; index < this.poolPages; index++) {
      if (mmu.i32[first + index * (MMU_PAGE_BYTES / 4)] !== 0) pages.push(this.#readPage(index));
    }
    this.pages = pages;
    for (const page of pages) {
      this.#byIndex.set(page.index, page);
      this.#readEntries(page);
    }
  }

  get poolPages(): number {
    return this.mmu.arena.layout.config.shadowPages;
  }

  /** The page in use with that index. */
  page(index: number): AuditPage | undefined {
    return this.#byIndex.get(index);
  }

  /** page_header(): the page in use whose table holds that hpa. */
  pageAt(hpa: number): AuditPage | undefined {
    return this.page((hpa - this.mmu.arena.layout.shadowPages) >> 12);
  }

  /** The value at an hpa of the shadow pages. */
  value(sptep: number): bigint {
    return this.mmu.arena.u64[sptep >> 3];
  }

  /** Whether an hpa may be that of an entry of a page in use. */
  isSptep(sptep: number): boolean {
    return (sptep & 7) === 0 && this.pageAt(sptep) !== undefined;
  }

  report(rule: AuditRule, text: string, about: Partial<Omit<AuditFinding, 'rule' | 'text'>> = {}): void {
    const none = { sptep: undefined, value: undefined, page: undefined, level: undefined, role: undefined };
    this.findings.push({ ...none, gfn: undefined, eraBug: undefined, ...about, rule, text });
  }

  reportPage(rule: AuditRule, page: AuditPage, text: string): void {
    const { index, level, role, gfn } = page;
    this.report(rule, text, { page: index, level, role, gfn });
  }

  reportSpte(rule: AuditRule, spte: AuditSpte, text: string, eraBug?: EraBug): void {
    const { page, sptep, gfn } = spte;
    const { index, level, role } = page;
    this.report(rule, text, { sptep, value: this.value(sptep), page: index, level, role, gfn, eraBug });
  }

  #readPage(index: number): AuditPage {
    const { mmu } = this;
    const header = (mmu.arena.layout.mmuPages >> 2) + index * (MMU_PAGE_BYTES / 4);
    const role = mmu.i32[header + (SP_ROLE >> 2)];
    return {
      index,
      header,
      hpa: pageHpa(mmu, index),
      gfn: mmu.f64[pageGfnWord(mmu, index)],
      role,
      level: roleLevel(role),
      direct: (role & ROLE_DIRECT) !== 0,
      invalid: (role & ROLE_INVALID) !== 0,
      unsync: mmu.i32[header + (SP_UNSYNC >> 2)] !== 0,
      unsyncChildren: mmu.i32[header + (SP_UNSYNC_CHILDREN >> 2)],
      rootCount: mmu.i32[header + (SP_ROOT_COUNT >> 2)],
      validGen: mmu.i32[header + (SP_MMU_VALID_GEN >> 2)],
    };
  }

  #readEntries(page: AuditPage): void {
    const { mmu } = this;
    for (let index = 0; index < 512; index++) {
      const sptep = page.hpa + index * 8;
      const lo = mmu.i32[sptep >> 2];
      const hi = mmu.i32[(sptep >> 2) + 1];
      if ((lo | hi) === 0) continue;
      const present = isShadowPresent(mmu, lo, hi);
      if (!present && !isMmio(mmu, lo, hi)) continue;
      const spte = { page, sptep, index, lo, hi, gfn: this.#gfnOf(page, sptep, index) };
      if (!present) this.mmioSptes.push(spte);
      else if (isLastSpte(lo, page.level)) this.leaves.push(spte);
      else this.links.push(spte);
    }
  }

  #gfnOf(page: AuditPage, sptep: number, index: number): number {
    return page.direct ? page.gfn + index * framesOf(page.level) : spteGfn(this.mmu, sptep);
  }
}
