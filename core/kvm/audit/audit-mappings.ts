/**
 * Present leaves against the memslots (audit_mappings of mmu_audit.c): the frame, read-only slots, dirty logging; and against
 * the role of their page, where it is one that stands for a large guest page and may be shared by all that have its rights.
 */
import { MEMSLOT_BASE_GFN, MEMSLOT_DIRTY_BITMAP } from '../../arena/memslot-layout.ts';
import type { AuditSpte, AuditView } from './audit-view.ts';
import { gfnToMemslot, memslotIsReadonly, NO_SLOT, slotGfnToPfn } from '../memslots/memslots.ts';
import { PT_WRITABLE_MASK } from '../mmu/mmu.ts';
import { roleAccess } from '../mmu/shadow-page-role.ts';
import { ACC_EXEC_MASK, ACC_USER_MASK, ACC_WRITE_MASK } from '../spte/access-bits.ts';

/** Frame of a present spte; every frame of the arena fits the low half. */
const pfnOf = (spte: AuditSpte): number => (spte.hi & 0xf_ffff) * 0x10_0000 + (spte.lo >>> 12);

export function auditMappings(view: AuditView): void {
  const { arena } = view.mmu;
  for (const leaf of view.leaves) {
    if (leaf.page.direct) auditDirectAccess(view, leaf);
    const slot = gfnToMemslot(arena, leaf.gfn);
    if (slot === NO_SLOT) continue; // no-memslot is said with the rmaps
    const pfn = slotGfnToPfn(arena, slot, leaf.gfn, false);
    // As in the kernel: what has no frame now (a slot that is just being taken away) says nothing about the entry.
    if (pfn >= 0 && pfn !== pfnOf(leaf)) {
      const text = `the leaf for gfn 0x${leaf.gfn.toString(16)} maps pfn 0x${pfnOf(leaf).toString(16)}, gfn_to_pfn gives 0x${pfn.toString(16)}`;
      view.reportSpte('mapping', leaf, text);
    }
    if ((leaf.lo & PT_WRITABLE_MASK) !== 0) auditWritable(view, leaf, slot);
  }
}

/** validate_direct_spte: KVM takes another page as soon as the large guest page's rights are others. */
function auditDirectAccess(view: AuditView, leaf: AuditSpte): void {
  const { mmu } = view;
  const { lo, hi, page } = leaf;
  const allowed = roleAccess(page.role);
  const isExecutable = (lo & mmu.execMask) === mmu.execMask && (hi & mmu.nxMaskHi) === 0;
  const granted =
    ((lo & PT_WRITABLE_MASK) !== 0 ? ACC_WRITE_MASK : 0) |
    ((lo & mmu.userMask) !== 0 ? ACC_USER_MASK : 0) |
    (isExecutable ? ACC_EXEC_MASK : 0);
  if ((granted & ~allowed) === 0) return;
  const text = `the leaf for gfn 0x${leaf.gfn.toString(16)} grants access ${granted}, the role of page ${page.index} only ${allowed}`;
  view.reportSpte('direct-access', leaf, text);
}

function auditWritable(view: AuditView, leaf: AuditSpte, slot: number): void {
  const { arena } = view.mmu;
  const gfn = `0x${leaf.gfn.toString(16)}`;
  if (memslotIsReadonly(arena, slot)) {
    view.reportSpte('read-only', leaf, `the leaf for gfn ${gfn} of a read-only slot is writable`);
  }
  const bitmap = arena.i32[(slot + MEMSLOT_DIRTY_BITMAP) >> 2];
  if (bitmap === 0) return;
  if (leaf.page.level > 1) {
    view.reportSpte('dirty-log', leaf, `a writable large spte maps gfn ${gfn} of a slot that logs dirty pages`);
    return;
  }
  const bit = leaf.gfn - arena.f64[(slot + MEMSLOT_BASE_GFN) >> 3];
  if (((arena.i32[(bitmap >> 2) + (bit >>> 5)] >>> (bit & 31)) & 1) === 0) {
    view.reportSpte('dirty-log', leaf, `the leaf for gfn ${gfn} is writable, but the page is not marked dirty`);
  }
}
