/** gfn → everything KVM knows of it, by the slot's arrays, the rmap chains and the shadow pages themselves. Pure. */
import {
  MEMSLOT_BASE_GFN,
  MEMSLOT_DIRTY_BITMAP,
  MEMSLOT_ID,
  MEMSLOT_NPAGES,
  MEMSLOT_USERSPACE_ADDR,
} from '../../arena/memslot-layout.ts';
import { PTE_LIST_EXT, SP_IN_USE } from '../../arena/mmu-layout.ts';
import { u64FromHalves } from '../../base/address.ts';
import type { WalkShadowPage } from '../../base/address-walk.ts';
import type {
  ReverseMap,
  ReverseMapLevel,
  ReverseMapMmioSpte,
  ReverseMapSpte,
  WriteState,
} from '../../base/reverse-map.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, KVM_MEMSLOT_INVALID } from '../memslots/limits.ts';
import {
  gfnToMemslot,
  memslotFlags,
  NO_SLOT,
  slotGfnToHva,
  slotGfnToPfn,
  slotLpageWord,
  slotRmapWord,
} from '../memslots/memslots.ts';
import { visibleGeneration, visibleSpteGeneration } from '../mmio/mmio-fault.ts';
import { PT_WRITABLE_MASK, type Mmu } from '../mmu/mmu.ts';
import { isMmio } from '../mmu/mmu-spte.ts';
import { explainSpteHere, shadowPageOf } from './probe-spte.ts';
import { pageHeader, pageHpa, pageRole } from '../mmu/shadow-page-pool.ts';
import { ROLE_DIRECT, ROLE_INVALID, roleLevel } from '../mmu/shadow-page-role.ts';

export function probeRmap(mmu: Mmu, gfn: number): ReverseMap {
  const { arena } = mmu;
  const slot = gfnToMemslot(arena, gfn);
  const has = slot !== NO_SLOT;
  const pfn = slotGfnToPfn(arena, slot, gfn, false);
  const levels = has ? [1, 2, 3].map((level) => rmapLevel(mmu, slot, gfn, level)) : [];
  const shadowedBy = indirectPages(mmu, gfn);
  const { state, text } = writeStateOf(mmu, slot, levels, shadowedBy);
  return {
    gfn,
    slot: has ? describeSlot(mmu, slot) : undefined,
    hva: has ? slotGfnToHva(arena, slot, gfn) : undefined,
    hpa: pfn < 0 ? undefined : pfn * 4096,
    levels,
    mmioSptes: mmioSptesOf(mmu, gfn),
    dirty: has ? dirtyBit(mmu, slot, gfn) : undefined,
    writeState: state,
    writeText: text,
    largePages: has
      ? [2, 3].map((level) => ({ level, writeCount: mmu.i32[slotLpageWord(arena, slot, gfn, level) >> 2] }))
      : [],
    shadowedBy,
  };
}

function describeSlot(mmu: Mmu, slot: number): NonNullable<ReverseMap['slot']> {
  const { i32, f64, arena } = mmu;
  const flags = memslotFlags(arena, slot);
  return {
    id: i32[(slot + MEMSLOT_ID) >> 2],
    baseGfn: f64[(slot + MEMSLOT_BASE_GFN) >> 3],
    npages: f64[(slot + MEMSLOT_NPAGES) >> 3],
    hva: arena.u64[(slot + MEMSLOT_USERSPACE_ADDR) >> 3],
    logDirtyPages: (flags & KVM_MEM_LOG_DIRTY_PAGES) !== 0,
    readonly: (flags & KVM_MEM_READONLY) !== 0,
    invalid: (flags & KVM_MEMSLOT_INVALID) !== 0,
  };
}

/** A pte_list: 0, one spte, or a chain of descriptors (rmap-list.ts). */
function rmapLevel(mmu: Mmu, slot: number, gfn: number, level: number): ReverseMapLevel {
  const { i32 } = mmu;
  const word = slotRmapWord(mmu.arena, slot, gfn, level);
  const value = i32[word >> 2];
  const describe = (sptep: number): ReverseMapSpte => describeSpte(mmu, sptep, level);
  if (value === 0) return { level, word, value, shape: 'empty', descriptors: [], sptes: [] };
  if ((value & 1) === 0) {
    return { level, word, value, shape: 'one spte', descriptors: [], sptes: [describe(value)] };
  }
  const descriptors: number[] = [];
  const sptes: ReverseMapSpte[] = [];
  for (let desc = value & ~1; desc !== 0; desc = i32[(desc >> 2) + PTE_LIST_EXT]) {
    descriptors.push(desc);
    for (let at = 0; at < PTE_LIST_EXT; at++) {
      const sptep = i32[(desc >> 2) + at];
      if (sptep !== 0) sptes.push(describe(sptep));
    }
  }
  return { level, word, value, shape: 'descriptors', descriptors, sptes };
}

function describeSpte(mmu: Mmu, sptep: number, level: number): ReverseMapSpte {
  const lo = mmu.i32[sptep >> 2];
  const hi = mmu.i32[(sptep >> 2) + 1];
  return {
    sptep,
    value: u64FromHalves(lo, hi),
    level,
    page: shadowPageOf(mmu, sptep),
    writable: (lo & PT_WRITABLE_MASK) !== 0,
    hostWritable: ((lo & mmu.hostWriteableLo) | (hi & mmu.hostWriteableHi)) !== 0,
    mmuWritable: ((lo & mmu.mmuWriteableLo) | (hi & mmu.mmuWriteableHi)) !== 0,
    accessed: (lo & mmu.accessedMask) !== 0,
    dirty: (lo & mmu.dirtyMask) !== 0,
  };
}

function* pagesInUse(mmu: Mmu): Generator<number> {
  const count = mmu.arena.layout.config.shadowPages;
  for (let page = 0; page < count; page++) {
    if (mmu.i32[pageHeader(mmu, page) + (SP_IN_USE >> 2)] !== 0) yield page;
  }
}

function mmioSptesOf(mmu: Mmu, gfn: number): readonly ReverseMapMmioSpte[] {
  const found: ReverseMapMmioSpte[] = [];
  for (const page of pagesInUse(mmu)) {
    if (roleLevel(pageRole(mmu, page)) !== 1) continue;
    const table = pageHpa(mmu, page);
    for (let sptep = table; sptep < table + 4096; sptep += 8) {
      const lo = mmu.i32[sptep >> 2];
      const hi = mmu.i32[(sptep >> 2) + 1];
      if ((lo | hi) === 0 || !isMmio(mmu, lo, hi)) continue;
      const value = u64FromHalves(lo, hi);
      if (explainSpteHere(mmu, value).gfn !== BigInt(gfn)) continue;
      const gen = visibleSpteGeneration(mmu, lo, hi);
      found.push({ sptep, value, page: shadowPageOf(mmu, sptep), gen, kvmGen: visibleGeneration(mmu) });
    }
  }
  return found;
}

/** Shadow pages of the guest table in the frame, by their headers: what for_each_gfn_indirect_valid_sp goes over. */
function indirectPages(mmu: Mmu, gfn: number): readonly WalkShadowPage[] {
  const pages: WalkShadowPage[] = [];
  for (const page of pagesInUse(mmu)) {
    if ((pageRole(mmu, page) & (ROLE_DIRECT | ROLE_INVALID)) !== 0) continue;
    const described = shadowPageOf(mmu, pageHpa(mmu, page));
    if (described?.gfn === gfn) pages.push(described);
  }
  return pages;
}

function dirtyBit(mmu: Mmu, slot: number, gfn: number): boolean | undefined {
  const bitmap = mmu.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
  if (bitmap === 0) return undefined;
  const page = gfn - mmu.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  return ((mmu.i32[(bitmap >> 2) + (page >>> 5)] >>> (page & 31)) & 1) !== 0;
}

/** Why the frame may not be written, if it is mapped and may not. */
function writeStateOf(
  mmu: Mmu,
  slot: number,
  levels: readonly ReverseMapLevel[],
  shadowedBy: readonly WalkShadowPage[],
): { readonly state: WriteState; readonly text: string } {
  const sptes = levels.flatMap((level) => level.sptes);
  if (sptes.length === 0) return { state: 'not mapped', text: 'no spte maps the frame' };
  const writable = sptes.filter((spte) => spte.writable).length;
  if (writable > 0) {
    return { state: 'writable', text: `${writable} of the ${sptes.length} sptes that map it can be written through` };
  }
  const synced = shadowedBy.filter((page) => !page.unsync);
  if (synced.length > 0) {
    const text = `write-protected because it holds a guest page table that ${synced.length} shadow page(s) follow: writes are emulated`;
    return { state: 'shadowed', text };
  }
  if (sptes.some((spte) => spte.hostWritable && spte.mmuWritable)) {
    const text = 'write-protected for dirty logging only: fast_page_fault may give W back';
    return { state: 'dirty logging', text };
  }
  const readonly = slot !== NO_SLOT && (memslotFlags(mmu.arena, slot) & KVM_MEM_READONLY) !== 0;
  const why = readonly ? 'the memslot is read-only' : "the guest's own mapping does not allow writes";
  return { state: 'read-only', text: `mapped read-only: ${why}` };
}
