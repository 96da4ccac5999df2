/**
 * Which level a direct mapping is made at (host_mapping_level, mapping_level and transparent_hugepage_adjust of
 * arch/x86/kvm/mmu.c, kvm_host_page_size of virt/kvm/kvm_main.c, v3.11).
 *
 * The host here is the arena: its RAM region is one mapping of user space, made of the pages that VM_HOST_PAGES says. Region
 * and hva begin at a multiple of every page size in use, so a large page of the one is a large page of the other.
 */
import { MEMSLOT_DIRTY_BITMAP } from '../../arena/memslot-layout.ts';
import { HOST_PAGES, type HostPages } from '../../base/host-pages.ts';
import { KVM_MEMSLOT_INVALID } from '../memslots/limits.ts';
import { KVM_PAGES_PER_HPAGE, slotWriteCount } from '../memslots/lpage-info.ts';
import { memslotFlags, NO_SLOT, slotGfnToPfn } from '../memslots/memslots.ts';
import { PT_DIRECTORY_LEVEL, PT_PAGE_TABLE_LEVEL, PT_PDPE_LEVEL, type Mmu } from './mmu.ts';

/** Values of VM_HOST_PAGES: indexes into {@link HOST_PAGES}. */
export const HOST_PAGES_4K = 0;
export const HOST_PAGES_THP = 1;
export const HOST_PAGES_1G = 3;

export const hostPagesIndex = (pages: HostPages): number => HOST_PAGES.indexOf(pages);

/** Whether all of the host's large page around a frame is memory of the guest's user space. */
function isWholeHostPage(mmu: Mmu, pfn: number, level: number): boolean {
  const { layout } = mmu.arena;
  const frames = KVM_PAGES_PER_HPAGE[level];
  const first = pfn - (pfn % frames);
  return first >= layout.ram >>> 12 && first + frames <= (layout.ram + layout.config.ramBytes) / 4096;
}

/** host_mapping_level: the page size of the host's mapping. Transparent huge pages do not show in it. */
export function hostMappingLevel(mmu: Mmu, slot: number, gfn: number): number {
  const { hostPages } = mmu;
  if (hostPages <= HOST_PAGES_THP) return PT_PAGE_TABLE_LEVEL;
  // A gfn without a good hva, for want of a slot, of one that is valid, or of memory behind it, answers PAGE_SIZE.
  const pfn = slotGfnToPfn(mmu.arena, slot, gfn, false);
  if (pfn < 0) return PT_PAGE_TABLE_LEVEL;
  if (hostPages === HOST_PAGES_1G && isWholeHostPage(mmu, pfn, PT_PDPE_LEVEL)) return PT_PDPE_LEVEL;
  return isWholeHostPage(mmu, pfn, PT_DIRECTORY_LEVEL) ? PT_DIRECTORY_LEVEL : PT_PAGE_TABLE_LEVEL;
}

/** mapping_level: the largest page that the host has there and that no write_count on the way up forbids. */
export function mappingLevel(mmu: Mmu, slot: number, gfn: number): number {
  const hostLevel = hostMappingLevel(mmu, slot, gfn);
  let level = PT_PAGE_TABLE_LEVEL;
  while (level < hostLevel && slotWriteCount(mmu, slot, gfn, level + 1) === 0) level++;
  return level;
}

/** kvm_mmu_max_mapping_level of v6.8, which sees transparent huge pages in the host's tables too. */
export function maxMappingLevel(mmu: Mmu, slot: number, gfn: number): number {
  const level = mappingLevel(mmu, slot, gfn);
  if (level > PT_PAGE_TABLE_LEVEL) return level;
  const pfn = slotGfnToPfn(mmu.arena, slot, gfn, false);
  return pfn >= 0 && canAdjustToHugePage(mmu, slot, gfn, pfn) ? PT_DIRECTORY_LEVEL : level;
}

/** mapping_level_dirty_bitmap: no large page in a slot that logs dirty pages, goes away or is not there. */
export const mappingLevelDirtyBitmap = (mmu: Mmu, slot: number): boolean =>
  slot === NO_SLOT ||
  (memslotFlags(mmu.arena, slot) & KVM_MEMSLOT_INVALID) !== 0 ||
  mmu.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2] !== 0;

/** What transparent_hugepage_adjust asks before it makes a 4 KiB mapping of a good frame one of 2 MiB. */
export const canAdjustToHugePage = (mmu: Mmu, slot: number, gfn: number, pfn: number): boolean =>
  mmu.hostPages === HOST_PAGES_THP &&
  isWholeHostPage(mmu, pfn, PT_DIRECTORY_LEVEL) &&
  slotWriteCount(mmu, slot, gfn, PT_DIRECTORY_LEVEL) === 0;

/**
 * The gfn that transparent_hugepage_adjust maps all of its 2 MiB for. It rounds where the pfn lies within the page, and takes that
 * for the gfn's place as well; it asserts so only where memory management is debugged (VM_BUG_ON).
 */
export const hugePageGfn = (gfn: number, pfn: number): number => {
  const frames = KVM_PAGES_PER_HPAGE[PT_DIRECTORY_LEVEL];
  return pfn % frames === 0 ? gfn : gfn - (gfn % frames);
};
