/**
 * TLBs, guest-physical mappings and paging-structure caches against the tables: what KVM takes away it must have flushed, or
 * asked for the flush, by the time that mmu_lock is free (kvm_flush_remote_tlbs; Documentation/virtual/kvm/mmu.txt, "TLB
 * flushing"). What KVM's own tables translate, guest-physical addresses and, where it shadows, linear ones, is held against
 * the vCPU's walk of them; a linear address that the guest's tables translate first, against all sptes there are.
 */
import { SP_ROLE, VM_TLBS_DIRTY } from '../../arena/mmu-layout.ts';
import { VCPU_BYTES, VCPU_REQUESTS } from '../../arena/vcpu-layout.ts';
import { u64FromHalves } from '../../base/address.ts';
import { cachedTables, tlbEntries } from '../../x86/index.ts';
import { framesOf, type AuditView } from './audit-view.ts';
import { MMU_SHADOW, PT_WRITABLE_MASK } from '../mmu/mmu.ts';
import { isShadowPresent } from '../mmu/mmu-spte.ts';
import { lastSptep, signFree } from '../mmu/mmu-walk.ts';
import { VCPU_ROOT_VALID } from '../mmu/mmu-words.ts';
import { pageHeader, pageOfHpa } from '../mmu/shadow-page-pool.ts';
import { roleLevel } from '../mmu/shadow-page-role.ts';
import { KVM_REQ_MMU_RELOAD, KVM_REQ_MMU_SYNC, KVM_REQ_TLB_FLUSH } from '../vcpu/requests.ts';

/** Each of these ends in a flush before the vCPU enters the guest again. */
const FLUSHES = (1 << KVM_REQ_TLB_FLUSH) | (1 << KVM_REQ_MMU_RELOAD) | (1 << KVM_REQ_MMU_SYNC);

export function auditTlbs(view: AuditView): void {
  const { mmu } = view;
  // Entries dropped while syncing a guest table are not flushed at once: the guest that changed its table has yet to flush.
  if (mmu.i32[(mmu.vm + VM_TLBS_DIRTY) >> 2] !== 0) return;
  const mapped = new Set<number>();
  const writable = new Set<number>();
  for (const leaf of view.leaves) {
    const pfn = leaf.lo >>> 12;
    for (let n = 0; n < framesOf(leaf.page.level); n++) {
      mapped.add(pfn + n);
      if ((leaf.lo & PT_WRITABLE_MASK) !== 0) writable.add(pfn + n);
    }
  }
  for (let id = 0; id < mmu.vcpuCount; id++) {
    const block = mmu.vcpuBlock(id);
    if (mmu.i32[block + VCPU_ROOT_VALID] === 0 || (mmu.i32[block + VCPU_REQUESTS] & FLUSHES) !== 0) continue;
    const r = mmu.i32.subarray(block, block + VCPU_BYTES / 4);
    for (const entry of tlbEntries(mmu.arena, id)) {
      const pfn = entry.hpa >>> 12;
      const gva = u64FromHalves(entry.gvaLo, entry.gvaHi).toString(16);
      const translates = `the TLB of vCPU ${id} translates gva 0x${gva} to pfn 0x${pfn.toString(16)}`;
      if (!(entry.writable ? writable.has(pfn) : mapped.has(pfn))) {
        const how = mapped.has(pfn) ? 'writable, and no spte allows that' : 'which no spte maps';
        view.report('tlb', `${translates}, ${how}`);
      } else if (mmu.mode === MMU_SHADOW) {
        const but = objection(view, r, entry.gvaLo, entry.gvaHi, pfn, entry.writable);
        if (but !== undefined) view.report('tlb', `${translates}, ${but}`);
      }
    }
    for (const { kind, addressLo, addressHi, hpa, writable: allowsWrites } of cachedTables(mmu.arena, id)) {
      const pfn = hpa >>> 12;
      const address = u64FromHalves(addressLo, addressHi).toString(16);
      const leads = `a ${kind} of vCPU ${id} leads from 0x${address} to pfn 0x${pfn.toString(16)}`;
      // Under the shadow MMU the processor's own tables are KVM's.
      const isThere = mmu.mode === MMU_SHADOW ? view.pageAt(hpa) !== undefined : mapped.has(pfn);
      if (!isThere || (allowsWrites && !writable.has(pfn))) {
        view.report('tlb', `${leads}, ${isThere ? 'writable, and no spte allows that' : 'which is no longer there'}`);
      } else if (kind === 'guest-physical mapping') {
        const but = objection(view, r, addressLo, addressHi, pfn, allowsWrites);
        if (but !== undefined) view.report('tlb', `${leads}, ${but}`);
      }
    }
  }
}

/** Why the vCPU's walk of KVM's tables does not bear a translation out. */
function objection(
  { mmu }: AuditView,
  r: Int32Array,
  lo: number,
  hi: number,
  pfn: number,
  isWritable: boolean,
): string | undefined {
  const sptep = lastSptep(mmu, r, lo, signFree(hi));
  const spteLo = sptep === 0 ? 0 : mmu.i32[sptep >> 2];
  if (sptep === 0 || !isShadowPresent(mmu, spteLo, mmu.i32[(sptep >> 2) + 1])) return 'where its tables have nothing';
  const page = pageOfHpa(mmu, sptep);
  const frames = framesOf(roleLevel(mmu.i32[pageHeader(mmu, page) + (SP_ROLE >> 2)]));
  const there = (spteLo >>> 12) + ((lo >>> 12) % frames);
  if (there !== pfn) return `where its tables have pfn 0x${there.toString(16)}`;
  return isWritable && (spteLo & PT_WRITABLE_MASK) === 0 ? 'writable, and its spte does not allow that' : undefined;
}
