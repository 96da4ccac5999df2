/**
 * kvm_lpage_info: for each 2 MiB and 1 GiB of a slot a count of reasons not to map it as one page (arch/x86/kvm/mmu.c of
 * v3.11). The slot's own borders count 1 from the start (memslot-arrays.ts); every guest page table that is shadowed counts 1
 * more, because its 4 KiB must be write-protected alone.
 */
import { VM_INDIRECT_SHADOW_PAGES } from '../../arena/mmu-layout.ts';
import { UmbraBug } from '../../base/assert.ts';
import { gfnToMemslot, NO_SLOT, slotLpageWord } from './memslots.ts';
import { PT_DIRECTORY_LEVEL, PT_PDPE_LEVEL, type Mmu } from '../mmu/mmu.ts';

/** KVM_PAGES_PER_HPAGE, by level; level 4 has no pages but a table entry there covers so many frames. */
export const KVM_PAGES_PER_HPAGE = [0, 1, 512, 262_144, 134_217_728] as const;

/** lpage_info_slot(...)->write_count. */
export const slotWriteCount = (mmu: Mmu, slot: number, gfn: number, level: number): number =>
  mmu.i32[slotLpageWord(mmu.arena, slot, gfn, level) >> 2];

/** has_wrprotected_page: whether a frame must not be mapped by a page of that level (2 or 3). Without a slot: yes. */
export function hasWrprotectedPage(mmu: Mmu, gfn: number, level: number): boolean {
  const slot = gfnToMemslot(mmu.arena, gfn);
  return slot === NO_SLOT || slotWriteCount(mmu, slot, gfn, level) !== 0;
}

/** account_shadowed: a guest page table at gfn is shadowed from now on. The caller holds mmu_lock. */
export const accountShadowed = (mmu: Mmu, gfn: number): void => addShadowed(mmu, gfn, 1);

/** unaccount_shadowed. */
export const unaccountShadowed = (mmu: Mmu, gfn: number): void => addShadowed(mmu, gfn, -1);

function addShadowed(mmu: Mmu, gfn: number, delta: number): void {
  const slot = gfnToMemslot(mmu.arena, gfn);
  if (slot === NO_SLOT) throw new UmbraBug(`a guest page table at gfn ${gfn.toString(16)}, which is in no slot`);
  for (let level = PT_DIRECTORY_LEVEL; level <= PT_PDPE_LEVEL; level++) {
    const word = slotLpageWord(mmu.arena, slot, gfn, level) >> 2;
    mmu.i32[word] += delta;
    if (mmu.i32[word] < 0) throw new UmbraBug(`write_count of gfn ${gfn.toString(16)} at level ${level} below zero`);
  }
  mmu.i32[(mmu.vm + VM_INDIRECT_SHADOW_PAGES) >> 2] += delta;
}
