/** kvm_mmu_get_spte_hierarchy: the entries on the way to a gpa, top first. Pure. */
import { VM_MAXPHYADDR } from '../../arena/mmu-layout.ts';
import { inspectEptSpte } from '../mmio/ept-misconfig.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { isLastSpte, isShadowPresent } from '../mmu/mmu-spte.ts';
import { entryOffset, walkLevel, walkRoot } from '../mmu/mmu-walk.ts';

export interface HierarchyEntry {
  readonly level: number;
  readonly sptep: number;
  readonly value: bigint;
}

export function getSpteHierarchy(mmu: Mmu, r: Int32Array, lo: number, hi: number): readonly HierarchyEntry[] {
  const entries: HierarchyEntry[] = [];
  let table = walkRoot(r, lo);
  if (table === 0) return entries;
  for (let level = walkLevel(r); ; level--) {
    const sptep = table + entryOffset(lo, hi, level);
    const spteLo = mmu.i32[sptep >> 2];
    entries.push({ level, sptep, value: mmu.arena.u64[sptep >> 3] });
    if (!isShadowPresent(mmu, spteLo, mmu.i32[(sptep >> 2) + 1]) || isLastSpte(spteLo, level)) return entries;
    table = spteLo & ~0xfff;
  }
}

/** What the kernel's log says when an MMIO fault ends in RET_MMIO_PF_BUG: the address and every entry on the way to it. */
export function mmioBugText(mmu: Mmu, r: Int32Array, lo: number, hi: number, ept: boolean): string {
  const gpa = (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
  const lines = ept ? ['EPT: Misconfiguration.', `EPT: GPA: 0x${gpa.toString(16)}`] : [];
  if (!ept)
    lines.push('RET_MMIO_PF_BUG: the faulting entry is neither an MMIO spte nor empty.', `GPA: 0x${gpa.toString(16)}`);
  const maxPhyAddr = mmu.i32[(mmu.vm + VM_MAXPHYADDR) >> 2];
  for (const { level, value } of getSpteHierarchy(mmu, r, lo, hi)) {
    if (ept) lines.push(...inspectEptSpte(value, level, maxPhyAddr));
    else lines.push(`hierarchy: spte 0x${value.toString(16)} level ${level}`);
  }
  return lines.join('\n');
}
