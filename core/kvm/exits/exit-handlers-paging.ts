/**
 * Exits that only a guest with paging under the shadow MMU has (arch/x86/kvm of v3.11): its page faults (handle_exception and
 * kvm_mmu_page_fault), INVLPG.
 */
import { VCPU_EXIT_GVA, VCPU_EXIT_QUALIFICATION, VCPU_IDT_VECTORING } from '../../arena/vcpu-layout.ts';
import { FAULT_RESUME } from '../mmu/direct-map.ts';
import { vectoringEvent } from './exception-queue.ts';
import { badPage, emulateInstruction, RESUME_GUEST } from './exit-handlers-emulate.ts';
import { isPaging } from '../shadow/guest-paging.ts';
import { walkAddr } from '../shadow/guest-table-walk.ts';
import { mmuUnprotectPage } from '../shadow/guest-table-write.ts';
import { vcpuMatchMmioGva } from '../mmio/mmio-cache.ts';
import { MMU_SHADOW } from '../mmu/mmu.ts';
import { PFERR_FETCH_MASK, PFERR_RSVD_MASK, PFERR_WRITE_MASK } from '../mmu/mmu-fault-error.ts';
import { VCPU_PENDING_INTERRUPT } from '../mmu/mmu-words.ts';
import { retryInstruction } from './retry-instruction.ts';
import { shadowInvlpg } from '../shadow/shadow-invlpg.ts';
import { shadowMmioGfn } from '../mmio/shadow-mmio-predict.ts';
import { pagingPageFault } from '../shadow/shadow-page-fault.ts';
import { traceKvmPageFault } from '../trace/trace-events.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';

/** Whether the guest's own page tables are shadowed. */
export const isShadowPaging = (vcpu: VcpuContext): boolean => vcpu.mmu.mode === MMU_SHADOW && isPaging(vcpu.r);

/** kvm_mmu_unprotect_page_virt: what has to be written at a linear address cannot be emulated. */
export function unprotectPageVirt(vcpu: VcpuContext, lo: number, hi: number): void {
  const { mmu, cpu } = vcpu;
  if (walkAddr(mmu, cpu, mmu.walker, lo, hi, 0)) mmuUnprotectPage(mmu, mmu.walker.gfn);
}

function openReservedRecord(vcpu: VcpuContext, lo: number, hi: number, errorCode: number): void {
  const gfn = shadowMmioGfn(vcpu.mmu, vcpu.r, lo, hi);
  const access = (errorCode & PFERR_WRITE_MASK) !== 0 ? 1 : (errorCode & PFERR_FETCH_MASK) !== 0 ? 2 : 0;
  const gpaLo = gfn < 0 ? lo : (gfn << 12) | (lo & 0xfff);
  vcpu.openRecord(lo, hi, gpaLo, gfn < 0 ? hi : (gfn / 0x10_0000) | 0, access);
}

/** The intercepted #PF. */
export function handlePagingPageFault(vcpu: VcpuContext): number {
  const { mmu, r, record } = vcpu;
  const lo = r[VCPU_EXIT_GVA];
  const hi = r[VCPU_EXIT_GVA + 1];
  const errorCode = r[VCPU_EXIT_QUALIFICATION];
  traceKvmPageFault(mmu.arena, vcpu.id, lo, hi, errorCode);
  // kvm_event_needs_reinjection: the processor was delivering an event, and its pushes are no instruction to emulate.
  if (vectoringEvent(r) >= 0 || r[VCPU_PENDING_INTERRUPT] !== 0) unprotectPageVirt(vcpu, lo, hi);
  if ((errorCode & PFERR_RSVD_MASK) !== 0) openReservedRecord(vcpu, lo, hi, errorCode);
  const answer = pagingPageFault(vcpu, lo, hi, errorCode);
  r[VCPU_IDT_VECTORING] = 0;
  let result = RESUME_GUEST;
  if (answer < 0) {
    result = badPage(vcpu, mmu.walker.gfn);
  } else if (answer === FAULT_RESUME) {
    result = RESUME_GUEST;
  } else if (vcpuMatchMmioGva(mmu, r, lo, hi) || !retryInstruction(vcpu, lo, hi)) {
    // EMULTYPE_RETRY, unless is_mmio_page_fault.
    result = emulateInstruction(vcpu);
    if (vcpu.emulator.mmioNeeded) vcpu.count(vcpu.cMmioExits);
  }
  if (record.open) record.commit();
  return result;
}

/** handle_invlpg. */
export function handlePagingInvlpg(vcpu: VcpuContext): void {
  const { r, mmu } = vcpu;
  shadowInvlpg(mmu, r, vcpu.id, r[VCPU_EXIT_QUALIFICATION], r[VCPU_EXIT_QUALIFICATION + 1]);
}
