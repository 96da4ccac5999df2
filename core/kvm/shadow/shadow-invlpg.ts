/**
 * FNAME(invlpg) (arch/x86/kvm/paging_tmpl.h of v3.11): the guest changed an entry of a page table that KVM may not have seen
 * change. Only an unsync page can be behind; of one, the entry is read afresh.
 */
import { SP_ROLE, SP_UNSYNC } from '../../arena/mmu-layout.ts';
import { gpteBytes } from './guest-paging.ts';
import { mmuLock, mmuUnlock, type Mmu } from '../mmu/mmu.ts';
import { isLastSpte, isShadowPresent } from '../mmu/mmu-spte.ts';
import { entryOffset, signFree, walkLevel, walkRoot } from '../mmu/mmu-walk.ts';
import { flushRemoteTlbs } from '../vcpu/requests.ts';
import { guestTableAt, updatePte } from './shadow-gpte.ts';
import { vcpuClearMmioGva } from '../mmio/mmio-cache.ts';
import { pageHeader, pageOfHpa } from '../mmu/shadow-page-pool.ts';
import { roleLevel } from '../mmu/shadow-page-role.ts';
import { mmuPageZapPte, topupMemoryCaches } from '../mmu/shadow-page-zap.ts';
import { unsyncChildren } from './unsync.ts';

function refresh(mmu: Mmu, r: Int32Array, vcpuId: number, page: number, sptep: number): void {
  const from = guestTableAt(mmu, r, page);
  const level = roleLevel(mmu.i32[pageHeader(mmu, page) + (SP_ROLE >> 2)]);
  if (mmuPageZapPte(mmu, sptep, level)) flushRemoteTlbs(mmu);
  if (from < 0) return;
  const bytes = gpteBytes(r);
  const at = (from + ((sptep & 0xfff) >> 3) * bytes) >> 2;
  updatePte(mmu, r, vcpuId, sptep, mmu.i32[at], bytes === 8 ? mmu.i32[at + 1] : 0);
}

export function shadowInvlpg(mmu: Mmu, r: Int32Array, vcpuId: number, lo: number, hi: number): void {
  const { i32 } = mmu;
  vcpuClearMmioGva(r, lo, hi);
  mmuLock(mmu);
  topupMemoryCaches(mmu);
  let table = walkRoot(r, lo);
  for (let level = walkLevel(r); table !== 0; level--) {
    const sptep = table + entryOffset(lo, signFree(hi), level);
    const page = pageOfHpa(mmu, sptep);
    if (isLastSpte(i32[sptep >> 2], level)) {
      if (i32[pageHeader(mmu, page) + (SP_UNSYNC >> 2)] !== 0) refresh(mmu, r, vcpuId, page, sptep);
      break;
    }
    if (!isShadowPresent(mmu, i32[sptep >> 2], i32[(sptep >> 2) + 1]) || unsyncChildren(mmu, page) === 0) break;
    table = i32[sptep >> 2] & ~0xfff;
  }
  mmuUnlock(mmu);
}
