/**
 * Rules of the pool: free list, active_mmu_pages, hash chains, n_used_mmu_pages (invariant 5) and roots. Links are followed at
 * most as often as there are pages, so a ring is found and not run around in.
 */
import {
  MMU_HASH_BUCKETS,
  MMU_PAGE_BYTES,
  SP_HASH_NEXT,
  SP_LINK_NEXT,
  SP_LINK_PREV,
  VM_ACTIVE_HEAD,
  VM_ACTIVE_TAIL,
  VM_FREE_HEAD,
} from '../../arena/mmu-layout.ts';
import { VCPU_ROOT_HPA, VCPU_ROOT_LEVELS } from '../../arena/vcpu-layout.ts';
import { hashOfGfn } from '../mmu/shadow-page-hash.ts';
import type { AuditView } from './audit-view.ts';
import { SP_HASH_PREV, VCPU_PAE_ROOT, VCPU_ROOT_VALID, VM_INVALID_LIST, VM_ZAPPED_OBSOLETE } from '../mmu/mmu-words.ts';
import { NO_PAGE } from '../mmu/shadow-page-pool.ts';

const headerWord = (view: AuditView, page: number, field: number): number =>
  view.mmu.i32[((view.mmu.arena.layout.mmuPages + field) >> 2) + page * (MMU_PAGE_BYTES / 4)];

const hasPage = (view: AuditView, page: number): boolean => page >= 0 && page < view.poolPages;

/** The pages of a list in order; `broken` says how it ends when not with NO_PAGE. */
function follow(view: AuditView, head: number, field: number): { readonly list: number[]; readonly broken: string } {
  const list: number[] = [];
  const seen = new Set<number>();
  for (let page = head; page !== NO_PAGE; page = headerWord(view, page, field)) {
    if (!hasPage(view, page)) return { list, broken: `it names page ${page}, which the pool does not have` };
    if (seen.has(page)) return { list, broken: `it comes back to page ${page}` };
    seen.add(page);
    list.push(page);
  }
  return { list, broken: '' };
}

export function auditFreeList(view: AuditView): void {
  const { i32, vm } = view.mmu;
  const { list, broken } = follow(view, i32[(vm + VM_FREE_HEAD) >> 2], SP_LINK_NEXT);
  if (broken !== '') view.report('free-list', `the free list does not end: ${broken}`);
  const free = new Set(list);
  for (const index of list) {
    const page = view.page(index);
    if (page !== undefined) view.reportPage('free-list', page, `page ${index} is in use and on the free list`);
  }
  if (broken !== '') return;
  for (let index = 0; index < view.poolPages; index++) {
    if (view.page(index) === undefined && !free.has(index)) {
      view.report('free-list', `page ${index} is neither in use nor free`, { page: index });
    }
  }
}

export function auditActiveList(view: AuditView): void {
  const { i32, vm, usedPages } = view.mmu;
  const { list, broken } = follow(view, i32[(vm + VM_ACTIVE_HEAD) >> 2], SP_LINK_NEXT);
  if (broken !== '') view.report('active-list', `active_mmu_pages does not end: ${broken}`);
  const active = new Set(list);
  let newer: number = NO_PAGE;
  for (const index of list) {
    const page = view.page(index);
    if (page === undefined) view.report('active-list', `page ${index} is active but not in use`, { page: index });
    const previous = headerWord(view, index, SP_LINK_PREV);
    if (previous !== newer) {
      const text = `page ${index} follows page ${newer} on active_mmu_pages but says that it follows ${previous}`;
      view.report('active-list', text, { page: index });
    }
    newer = index;
  }
  const tail = i32[(vm + VM_ACTIVE_TAIL) >> 2];
  if (broken === '' && tail !== newer) {
    view.report('active-list', `the oldest page on active_mmu_pages is ${newer}, the tail says ${tail}`);
  }
  for (const page of view.pages) {
    if (!active.has(page.index)) {
      view.reportPage('active-list', page, `page ${page.index} is in use but not on active_mmu_pages`);
    }
  }
  for (const head of [VM_INVALID_LIST, VM_ZAPPED_OBSOLETE]) {
    const first = i32[(vm + head) >> 2] - 1;
    if (first !== NO_PAGE) view.report('active-list', `page ${first} was zapped and never freed`, { page: first });
  }
  const used = i32[usedPages];
  if (used !== list.length) {
    view.report('used-pages', `n_used_mmu_pages is ${used}, but ${list.length} pages are on active_mmu_pages`);
  }
}

export function auditHash(view: AuditView): void {
  const { i32, arena } = view.mmu;
  const chained = new Set<number>();
  for (let bucket = 0; bucket < MMU_HASH_BUCKETS; bucket++) {
    const head = i32[(arena.layout.mmuHash >> 2) + bucket];
    if (head === NO_PAGE) continue;
    const { list, broken } = follow(view, head, SP_HASH_NEXT);
    if (broken !== '') view.report('hash-chain', `the chain of bucket ${bucket} does not end: ${broken}`);
    let before = 0;
    for (const index of list) {
      const page = view.page(index);
      const at = { page: index, gfn: page?.gfn };
      if (page === undefined) view.report('hash-chain', `page ${index} is hashed but not in use`, at);
      else if (hashOfGfn(view.mmu, page.gfn) !== bucket) {
        view.reportPage(
          'hash-chain',
          page,
          `page ${index} is in the chain of bucket ${bucket}, which is not its gfn’s`,
        );
      }
      if (chained.has(index)) view.report('hash-chain', `page ${index} is in two hash chains`, at);
      chained.add(index);
      const previous = headerWord(view, index, SP_HASH_PREV);
      if (previous !== before) {
        view.report('hash-chain', `page ${index} of bucket ${bucket} has a wrong link back (${previous - 1})`, at);
      }
      before = index + 1;
    }
  }
  for (const page of view.pages) {
    if (!chained.has(page.index)) view.reportPage('hash-chain', page, `page ${page.index} is in no hash chain`);
  }
}

/** Pages that a vCPU's control block names as roots. */
export function rootPages(view: AuditView, vcpuId: number): readonly number[] {
  const { mmu } = view;
  const r = mmu.vcpuBlock(vcpuId);
  if (mmu.i32[r + VCPU_ROOT_VALID] === 0) return [];
  const roots =
    mmu.i32[r + VCPU_ROOT_LEVELS] === 4
      ? [mmu.i32[r + VCPU_ROOT_HPA]]
      : [0, 1, 2, 3].map((n) => mmu.i32[r + VCPU_PAE_ROOT + 2 * n] & ~0xfff);
  return roots.filter((hpa) => hpa !== 0).map((hpa) => (hpa - mmu.arena.layout.shadowPages) >> 12);
}

export function auditRoots(view: AuditView): void {
  const counts = new Map<number, number>();
  for (let id = 0; id < view.mmu.vcpuCount; id++) {
    for (const index of rootPages(view, id)) counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  for (const [index, count] of counts) {
    if (view.page(index) === undefined) {
      view.report('root-count', `page ${index} is the root of ${count} vCPUs but not in use`, { page: index });
    }
  }
  for (const page of view.pages) {
    const count = counts.get(page.index) ?? 0;
    if (page.rootCount !== count) {
      view.reportPage(
        'root-count',
        page,
        `page ${page.index} has root_count ${page.rootCount}, ${count} roots name it`,
      );
    }
    if (page.invalid && count === 0) {
      view.reportPage('active-list', page, `page ${page.index} is invalid and nobody’s root, but still there`);
    }
  }
}
