/**
 * TLBs, guest-physical mappings and paging-structure caches against the tables: what KVM takes away it must have flushed, or asked for the flush, by the time that mmu_lock is
 * free (kvm_flush_remote_tlbs; Documentation/virtual/kvm/mmu.txt, "TLB flushing").
 */
import { VM_TLBS_DIRTY } from '../../arena/mmu-layout.ts';
import { VCPU_REQUESTS } from '../../arena/vcpu-layout.ts';
import { u64FromHalves } from '../../base/address.ts';
import { cachedTables, tlbEntries } from '../../x86/index.ts';
import { framesOf, type AuditView } from './audit-view.ts';
import { MMU_SHADOW, PT_WRITABLE_MASK } from '../mmu/mmu.ts';
import { VCPU_ROOT_VALID } from '../mmu/mmu-words.ts';
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
    const r = mmu.vcpuBlock(id);
    if (mmu.i32[r + VCPU_ROOT_VALID] === 0 || (mmu.i32[r + VCPU_REQUESTS] & FLUSHES) !== 0) continue;
    for (const entry of tlbEntries(mmu.arena, id)) {
      const pfn = entry.hpa >>> 12;
      if (entry.writable ? writable.has(pfn) : mapped.has(pfn)) continue;
      const gva = u64FromHalves(entry.gvaLo, entry.gvaHi).toString(16);
      const how = mapped.has(pfn) ? 'writable, and no spte allows that' : 'which no spte maps';
      view.report('tlb', `the TLB of vCPU ${id} translates gva 0x${gva} to pfn 0x${pfn.toString(16)}, ${how}`);
    }
    for (const { kind, addressLo, addressHi, hpa, writable: allowsWrites } of cachedTables(mmu.arena, id)) {
      const pfn = hpa >>> 12;
      // Under the shadow MMU the processor's own tables are KVM's.
      const isThere = mmu.mode === MMU_SHADOW ? view.pageAt(hpa) !== undefined : mapped.has(pfn);
      if (isThere && (!allowsWrites || writable.has(pfn))) continue;
      const address = u64FromHalves(addressLo, addressHi).toString(16);
      const how = isThere ? 'writable, and no spte allows that' : 'which is no longer there';
      view.report('tlb', `a ${kind} of vCPU ${id} leads from 0x${address} to pfn 0x${pfn.toString(16)}, ${how}`);
    }
  }
}
