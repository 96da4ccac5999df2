/** drop_large_spte (arch/x86/kvm/mmu.c of v3.11): a large page makes room for a table, or goes before it would be protected. */
import { PT_PAGE_SIZE_MASK, type Mmu } from './mmu.ts';
import { dropSpte, isShadowPresent } from './mmu-spte.ts';
import { flushRemoteTlbs } from '../vcpu/requests.ts';

/**
 * __drop_large_spte, of an entry above level 1.
 * @returns whether there was one; TLBs are to be flushed then
 */
export function dropLargeSpteNoFlush(mmu: Mmu, sptep: number): boolean {
  const lo = mmu.i32[sptep >> 2];
  if ((lo & PT_PAGE_SIZE_MASK) === 0 || !isShadowPresent(mmu, lo, mmu.i32[(sptep >> 2) + 1])) return false;
  dropSpte(mmu, sptep);
  mmu.f64[mmu.cLargepages] -= 1;
  return true;
}

/** drop_large_spte. */
export function dropLargeSpte(mmu: Mmu, sptep: number): void {
  if (dropLargeSpteNoFlush(mmu, sptep)) flushRemoteTlbs(mmu);
}
