/**
 * pte_list: a word that names the sptes pointing at something (arch/x86/kvm/mmu.c of v3.11, pte_list_add and friends).
 * 0 is empty; an even word is the one spte's hpa; an odd word is the arena offset + 1 of a descriptor of PTE_LIST_EXT sptes
 * and the offset of the next. Used for reverse maps of frames and for the parents of shadow pages.
 */
import { UmbraBug } from '../../base/assert.ts';
import { PTE_LIST_DESC_BYTES, PTE_LIST_EXT, VM_PTE_LIST_FREE } from '../../arena/mmu-layout.ts';
import type { Mmu } from './mmu.ts';
import { VM_PTE_LIST_USED } from './mmu-words.ts';

const MORE = PTE_LIST_EXT;

/** Chains all descriptors of a fresh arena. */
export function initPteLists(mmu: Mmu): void {
  const { layout } = mmu.arena;
  const end = layout.pteListDescs + layout.pteListDescCount * PTE_LIST_DESC_BYTES;
  for (let desc = layout.pteListDescs; desc < end; desc += PTE_LIST_DESC_BYTES) {
    const next = desc + PTE_LIST_DESC_BYTES;
    mmu.i32[(desc >> 2) + MORE] = next < end ? next : 0;
  }
  mmu.i32[(mmu.vm + VM_PTE_LIST_FREE) >> 2] = layout.pteListDescs;
}

/** Descriptors left. */
export const pteListDescsFree = (mmu: Mmu): number =>
  mmu.arena.layout.pteListDescCount - mmu.i32[(mmu.vm + VM_PTE_LIST_USED) >> 2];

function takeDesc(mmu: Mmu): number {
  const free = (mmu.vm + VM_PTE_LIST_FREE) >> 2;
  const desc = mmu.i32[free];
  if (desc === 0) throw new UmbraBug('out of pte_list descriptors');
  mmu.i32[free] = mmu.i32[(desc >> 2) + MORE];
  mmu.i32[(mmu.vm + VM_PTE_LIST_USED) >> 2] += 1;
  mmu.i32.fill(0, desc >> 2, (desc >> 2) + PTE_LIST_DESC_BYTES / 4);
  return desc;
}

function giveDesc(mmu: Mmu, desc: number): void {
  const free = (mmu.vm + VM_PTE_LIST_FREE) >> 2;
  mmu.i32[(desc >> 2) + MORE] = mmu.i32[free];
  mmu.i32[free] = desc;
  mmu.i32[(mmu.vm + VM_PTE_LIST_USED) >> 2] -= 1;
}

/** Adds an spte; answers how many were there before (rounded up to whole descriptors' worth, as KVM counts). */
export function pteListAdd(mmu: Mmu, word: number, sptep: number): number {
  const { i32 } = mmu;
  const head = i32[word];
  if (head === 0) {
    i32[word] = sptep;
    return 0;
  }
  if ((head & 1) === 0) {
    const desc = takeDesc(mmu);
    i32[desc >> 2] = head;
    i32[(desc >> 2) + 1] = sptep;
    i32[word] = desc | 1;
    return 1;
  }
  let count = 0;
  let desc = (head & ~1) >> 2;
  while (i32[desc + PTE_LIST_EXT - 1] !== 0 && i32[desc + MORE] !== 0) {
    desc = i32[desc + MORE] >> 2;
    count += PTE_LIST_EXT;
  }
  if (i32[desc + PTE_LIST_EXT - 1] !== 0) {
    const more = takeDesc(mmu);
    i32[desc + MORE] = more;
    desc = more >> 2;
    count += PTE_LIST_EXT;
  }
  let at = 0;
  while (i32[desc + at] !== 0) at++;
  i32[desc + at] = sptep;
  return count + at;
}

/** pte_list_desc_remove_entry: the last spte of the descriptor takes the place of the removed one. */
function removeEntry(mmu: Mmu, word: number, desc: number, at: number, previous: number): void {
  const { i32 } = mmu;
  const d = desc >> 2;
  let last = PTE_LIST_EXT - 1;
  while (i32[d + last] === 0 && last > at) last--;
  i32[d + at] = i32[d + last];
  i32[d + last] = 0;
  if (last !== 0) return;
  const more = i32[d + MORE];
  if (previous !== 0) i32[(previous >> 2) + MORE] = more;
  else i32[word] = more === 0 ? 0 : more | 1;
  giveDesc(mmu, desc);
}

export function pteListRemove(mmu: Mmu, word: number, sptep: number): void {
  const { i32 } = mmu;
  const head = i32[word];
  if (head === 0) throw new UmbraBug(`pte_list_remove: ${sptep.toString(16)} 0->BUG`);
  if ((head & 1) === 0) {
    if (head !== sptep) throw new UmbraBug(`pte_list_remove: ${sptep.toString(16)} 1->BUG`);
    i32[word] = 0;
    return;
  }
  let previous = 0;
  for (let desc = head & ~1; desc !== 0; desc = i32[(desc >> 2) + MORE]) {
    for (let at = 0; at < PTE_LIST_EXT && i32[(desc >> 2) + at] !== 0; at++) {
      if (i32[(desc >> 2) + at] === sptep) {
        removeEntry(mmu, word, desc, at, previous);
        return;
      }
    }
    previous = desc;
  }
  throw new UmbraBug(`pte_list_remove: ${sptep.toString(16)} many->many`);
}

/** rmap_get_first: 0 when the list is empty. */
export function pteListFirst(mmu: Mmu, word: number): number {
  const head = mmu.i32[word];
  return (head & 1) === 0 ? head : mmu.i32[(head & ~1) >> 2];
}

/** The spte at a position counted from 0, or 0 past the end. Lists are short: walking from the start costs little. */
export function pteListAt(mmu: Mmu, word: number, position: number): number {
  const { i32 } = mmu;
  const head = i32[word];
  if ((head & 1) === 0) return position === 0 ? head : 0;
  let desc = (head & ~1) >> 2;
  // Only the last descriptor added is partly filled, but removal can leave holes in any: count what is there.
  for (let left = position; ;) {
    let filled = 0;
    while (filled < PTE_LIST_EXT && i32[desc + filled] !== 0) filled++;
    if (left < filled) return i32[desc + left];
    left -= filled;
    if (i32[desc + MORE] === 0) return 0;
    desc = i32[desc + MORE] >> 2;
  }
}

export function pteListCount(mmu: Mmu, word: number): number {
  let count = 0;
  while (pteListAt(mmu, word, count) !== 0) count++;
  return count;
}
