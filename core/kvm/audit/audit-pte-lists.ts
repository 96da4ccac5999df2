/**
 * Reverse maps and parents (invariants 1 and 2; audit_sptes_have_rmaps of mmu_audit.c), and the descriptors that both kinds
 * of list are made of: each in one list, or free.
 */
import { MEMSLOT_BASE_GFN, MEMSLOT_NPAGES, MEMSLOT_RMAP } from '../../arena/memslot-layout.ts';
import { PTE_LIST_DESC_BYTES, PTE_LIST_EXT, SP_PARENT_PTES, VM_PTE_LIST_FREE } from '../../arena/mmu-layout.ts';
import { framesOf, type AuditPage, type AuditSpte, type AuditView } from './audit-view.ts';
import { gfnToIndex, gfnToMemslot, memslotAt, memslotCount, NO_SLOT, slotRmapWord } from '../memslots/memslots.ts';

const DESC_SHIFT = 4;

/**
 * Marks the free chain up to its end, or to what cannot be followed. It is nearly as long as the region, and an audit may
 * follow every step of a test: plain loop, plain numbers.
 */
function followFree(
  i32: Int32Array,
  head: number,
  first: number,
  met: Uint8Array,
): { readonly end: number; readonly met: number } {
  const last = first + (met.length << DESC_SHIFT);
  let count = 0;
  let desc = head;
  while (desc >= first && desc < last && (desc & (PTE_LIST_DESC_BYTES - 1)) === 0) {
    const index = (desc - first) >> DESC_SHIFT;
    if (met[index] !== 0) break;
    met[index] = 1;
    count++;
    desc = i32[(desc >> 2) + PTE_LIST_EXT];
  }
  return { end: desc, met: count };
}

/** pte_list words read without trust; remembers which descriptors were met. */
class PteLists {
  readonly #view: AuditView;
  readonly #met: Uint8Array;
  /** How many were met. */
  #count = 0;

  constructor(view: AuditView) {
    this.#view = view;
    this.#met = new Uint8Array(view.mmu.arena.layout.pteListDescCount);
  }

  /** sptes named by the list whose word is at an int32 index. */
  read(word: number): readonly number[] {
    const { i32 } = this.#view.mmu;
    const head = i32[word];
    if (head === 0) return [];
    if ((head & 1) === 0) return [head];
    const sptes: number[] = [];
    for (let desc = head & ~1; desc !== 0; desc = i32[(desc >> 2) + PTE_LIST_EXT]) {
      if (!this.#meet(desc)) break;
      for (let at = 0; at < PTE_LIST_EXT; at++) if (i32[(desc >> 2) + at] !== 0) sptes.push(i32[(desc >> 2) + at]);
    }
    return sptes;
  }

  auditFree(): void {
    const { i32, vm, arena } = this.#view.mmu;
    const { end, met } = followFree(i32, i32[(vm + VM_PTE_LIST_FREE) >> 2], arena.layout.pteListDescs, this.#met);
    const lost = this.#met.length - this.#count - met;
    if (end !== 0) this.#meet(end);
    else if (lost > 0) this.#view.report('pte-list', `${lost} pte_list descriptors are in no list and not free`);
  }

  #meet(desc: number): boolean {
    const { layout } = this.#view.mmu.arena;
    const index = (desc - layout.pteListDescs) / PTE_LIST_DESC_BYTES;
    if (!Number.isInteger(index) || index < 0 || index >= layout.pteListDescCount) {
      this.#view.report('pte-list', `a pte_list goes on at 0x${desc.toString(16)}, which is no descriptor`);
      return false;
    }
    if (this.#met[index] !== 0) {
      this.#view.report('pte-list', `pte_list descriptor ${index} is met twice`);
      return false;
    }
    this.#met[index] = 1;
    this.#count += 1;
    return true;
  }
}

/** @param descriptors whether the free descriptors are gone through as well, which costs as much as all the rest */
export function auditPteLists(view: AuditView, descriptors: boolean): void {
  const lists = new PteLists(view);
  auditRmaps(view, lists);
  auditParents(view, lists);
  if (descriptors) lists.auditFree();
}

const countIn = (list: readonly number[], value: number): number => list.filter((each) => each === value).length;

function auditRmaps(view: AuditView, lists: PteLists): void {
  const { arena } = view.mmu;
  const listed = new Map<number, readonly number[]>();
  const leaves = new Map(view.leaves.map((leaf) => [leaf.sptep, leaf]));
  for (let n = 0; n < memslotCount(arena); n++) {
    const slot = memslotAt(arena, n);
    for (let level = 1; level <= 3; level++) auditSlotRmaps(view, lists, slot, level, listed, leaves);
  }
  for (const leaf of view.leaves) {
    const slot = gfnToMemslot(arena, leaf.gfn);
    if (slot === NO_SLOT) {
      view.reportSpte('no-memslot', leaf, `a present leaf maps gfn 0x${leaf.gfn.toString(16)}, which is in no memslot`);
      continue;
    }
    const times = countIn(listed.get(slotRmapWord(arena, slot, leaf.gfn, leaf.page.level)) ?? [], leaf.sptep);
    if (times === 1) continue;
    const text = `the leaf for gfn 0x${leaf.gfn.toString(16)} is ${times === 0 ? 'not' : `${times} times`} in its rmap`;
    view.reportSpte('leaf-in-rmap', leaf, text);
  }
}

function auditSlotRmaps(
  view: AuditView,
  lists: PteLists,
  slot: number,
  level: number,
  listed: Map<number, readonly number[]>,
  leaves: ReadonlyMap<number, AuditSpte>,
): void {
  const { i32, f64 } = view.mmu;
  const array = i32[((slot + MEMSLOT_RMAP) >> 2) + level - 1];
  if (array === 0) return;
  const base = f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  const count = gfnToIndex(base + f64[(slot + MEMSLOT_NPAGES) >> 3] - 1, base, level) + 1;
  const firstFrame = Math.floor(base / framesOf(level)) * framesOf(level);
  for (let index = 0; index < count; index++) {
    const word = array + index * 8;
    if (i32[word >> 2] === 0) continue;
    const sptes = lists.read(word >> 2);
    listed.set(word, sptes);
    const gfn = firstFrame + index * framesOf(level);
    for (const sptep of sptes) auditRmapEntry(view, leaves, sptep, gfn, level);
  }
}

function auditRmapEntry(
  view: AuditView,
  leaves: ReadonlyMap<number, AuditSpte>,
  sptep: number,
  gfn: number,
  level: number,
): void {
  const leaf = leaves.get(sptep);
  const where = `the rmap of gfn 0x${gfn.toString(16)} at level ${level}`;
  if (leaf === undefined) {
    const known = view.isSptep(sptep);
    const what = known ? 'which is no present leaf' : 'which is no entry of a page in use';
    const value = known ? view.value(sptep) : undefined;
    view.report('rmap-entry', `${where} names 0x${sptep.toString(16)}, ${what}`, { sptep, gfn, level, value });
  } else if (leaf.gfn !== gfn || leaf.page.level !== level) {
    const text = `${where} names a leaf of gfn 0x${leaf.gfn.toString(16)} at level ${leaf.page.level}`;
    view.reportSpte('rmap-entry', leaf, text);
  }
}

function auditParents(view: AuditView, lists: PteLists): void {
  const parents = new Map<number, readonly number[]>();
  const links = new Map(view.links.map((link) => [link.sptep, link]));
  for (const page of view.pages) {
    const named = lists.read(page.header + (SP_PARENT_PTES >> 2));
    parents.set(page.index, named);
    for (const sptep of named) auditParentEntry(view, page, links.get(sptep), sptep);
  }
  for (const link of view.links) {
    const child = view.pageAt(link.lo & ~0xfff);
    if (child === undefined) {
      view.reportSpte('link-in-parents', link, 'a non-leaf spte points at no page in use');
      continue;
    }
    const times = countIn(parents.get(child.index) ?? [], link.sptep);
    if (times !== 1) {
      const how = times === 0 ? 'not' : `${times} times`;
      view.reportSpte('link-in-parents', link, `the link to page ${child.index} is ${how} in its parent_ptes`);
    }
    auditChildPlace(view, link, child);
  }
}

function auditParentEntry(view: AuditView, page: AuditPage, link: AuditSpte | undefined, sptep: number): void {
  const text = `parent_ptes of page ${page.index} names 0x${sptep.toString(16)}, which does not point at it`;
  if (link === undefined) view.reportPage('parent-entry', page, text);
  else if ((link.lo & ~0xfff) !== page.hpa) view.reportSpte('parent-entry', link, text);
}

/** Below a direct page everything follows from the place; below an indirect one the guest's table decides (audit-guest-entries.ts). */
function auditChildPlace(view: AuditView, link: AuditSpte, child: AuditPage): void {
  if (child.level !== link.page.level - 1) {
    const text = `page ${child.index} of level ${child.level} hangs below an entry of level ${link.page.level}`;
    view.reportSpte('child-place', link, text);
  } else if (link.page.direct && (!child.direct || child.gfn !== link.gfn)) {
    const text = `page ${child.index} maps from gfn 0x${child.gfn.toString(16)} on, its entry stands for 0x${link.gfn.toString(16)}`;
    view.reportSpte('child-place', link, text);
  }
}
