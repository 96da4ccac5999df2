/**
 * lpage_info (invariant 6): where large pages are closed. The static part follows from the slot's extent and the alignment of
 * its host memory (kvm_arch_create_memslot of arch/x86/kvm/x86.c, v3.11), the rest from account_shadowed.
 */
import { VM_INDIRECT_SHADOW_PAGES } from '../../arena/mmu-layout.ts';
import { framesOf, type AuditView } from './audit-view.ts';
import { staleLpageInfo } from './audit-era-bugs.ts';
import { readMemslots, type Memslot } from '../memslots/memslot-table.ts';
import { gfnToMemslot, NO_SLOT, slotLpageWord } from '../memslots/memslots.ts';

export function auditLpageInfo(view: AuditView): void {
  const { i32, vm, arena } = view.mmu;
  const shadowing = view.pages.filter((page) => !page.direct && !page.invalid);
  const counted = i32[(vm + VM_INDIRECT_SHADOW_PAGES) >> 2];
  if (counted !== shadowing.length) {
    const text = `indirect_shadow_pages is ${counted}, but ${shadowing.length} valid indirect pages are in use`;
    view.report('indirect-shadow-pages', text);
  }
  for (const slot of readMemslots(arena)) {
    for (const level of [2, 3] as const) auditLevel(view, slot, level, shadowing);
  }
  for (const leaf of view.leaves) {
    const { level } = leaf.page;
    const slot = gfnToMemslot(arena, leaf.gfn);
    if (level < 2 || level > 3 || slot === NO_SLOT) continue;
    if (i32[slotLpageWord(arena, slot, leaf.gfn, level) >> 2] !== 0) {
      const text = `a large spte of level ${level} maps gfn 0x${leaf.gfn.toString(16)}, where write_count is not 0`;
      view.reportSpte('lpage-disallowed', leaf, text);
    }
  }
}

function auditLevel(
  view: AuditView,
  slot: Memslot,
  level: 2 | 3,
  shadowing: readonly { readonly gfn: number }[],
): void {
  const array = slot.lpageInfo[level - 2];
  if (array === 0) return;
  const frames = framesOf(level);
  const first = Math.floor(slot.baseGfn / frames);
  const count = Math.floor((slot.baseGfn + slot.npages - 1) / frames) - first + 1;
  const words = view.mmu.i32.subarray(array >> 2, (array >> 2) + count);
  const tables = numbers(count, 0);
  for (const { gfn } of shadowing) {
    if (gfn >= slot.baseGfn && gfn < slot.baseGfn + slot.npages) tables[Math.floor(gfn / frames) - first] += 1;
  }
  const fixed = tables.map((n, index) => words[index] - n);
  const expected = staticPart(slot, frames, count);
  const wrong = fixed.flatMap((value, index) => (value === expected[index] ? [] : [index]));
  if (wrong.length === 0) return;
  const eraBug = mayBeAnotherPlaces(fixed) ? staleLpageInfo(view.era) : undefined;
  for (const index of eraBug === undefined ? wrong : wrong.slice(0, 1)) {
    const gfn = (first + index) * frames;
    const text =
      `write_count of gfn 0x${gfn.toString(16)} at level ${level} in slot ${slot.id} is ${words[index]}, ` +
      `but ${expected[index]} is fixed and ${tables[index]} guest tables are shadowed there`;
    view.report('lpage-info', text, { gfn, level, eraBug });
  }
}

const numbers = (length: number, value: number): number[] => Array.from({ length }, () => value);

function staticPart(slot: Memslot, frames: number, count: number): readonly number[] {
  const hostFrame = Number((slot.userspaceAddr >> 12n) % BigInt(frames));
  if (slot.baseGfn % frames !== hostFrame) return numbers(count, 1);
  const fixed = numbers(count, 0);
  if (slot.baseGfn % frames !== 0) fixed[0] = 1;
  if ((slot.baseGfn + slot.npages) % frames !== 0) fixed[count - 1] = 1;
  return fixed;
}

/** Whether a slot of this size could have had these values where it was made: all closed, or all open but its ends. */
function mayBeAnotherPlaces(fixed: readonly number[]): boolean {
  if (fixed.some((value) => value !== 0 && value !== 1)) return false;
  const inner = fixed.slice(1, -1);
  return inner.every((value) => value === inner[0]);
}
