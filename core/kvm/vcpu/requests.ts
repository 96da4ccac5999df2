/** vcpu->requests: what a vCPU must do before it enters the guest again (virt/kvm/kvm_main.c; numbers of v3.11). */
import { awaitOther } from '../../arena/futex-lock.ts';
import {
  EXITING_GUEST_MODE,
  IN_GUEST_MODE,
  OUTSIDE_GUEST_MODE,
  READING_SHADOW_PAGE_TABLES,
  VCPU_MODE,
  VCPU_REQUESTS,
} from '../../arena/vcpu-layout.ts';
import { VM_TLBS_DIRTY } from '../../arena/mmu-layout.ts';
import { ERA_V6_8 } from '../eras.ts';
import type { Mmu } from '../mmu/mmu.ts';
import { vcpuCounterWord } from '../trace/stats.ts';

export const KVM_REQ_TLB_FLUSH = 0;
export const KVM_REQ_MMU_RELOAD = 3;
export const KVM_REQ_TRIPLE_FAULT = 4;
export const KVM_REQ_MMU_SYNC = 7;

/**
 * Sets vcpu->mode. On one thread nobody watches it while the vCPU runs, and the fence that orders it before the
 * reads of requests and tables would be the dearest instruction of an exit.
 */
export function setVcpuMode(r: Int32Array, threaded: boolean, mode: number): void {
  if (threaded) Atomics.store(r, VCPU_MODE, mode);
  else r[VCPU_MODE] = mode;
}

/** kvm_make_request. */
export function makeRequest(mmu: Mmu, vcpuId: number, request: number): void {
  Atomics.or(mmu.i32, mmu.vcpuBlock(vcpuId) + VCPU_REQUESTS, 1 << request);
}

function awaitKicked(mmu: Mmu, vcpuId: number): void {
  const word = mmu.vcpuBlock(vcpuId) + VCPU_MODE;
  awaitOther(mmu.i32, word, EXITING_GUEST_MODE, READING_SHADOW_PAGE_TABLES, `vCPU ${vcpuId} does not leave guest mode`);
}

/**
 * make_all_vcpus_request: true when a vCPU was in guest mode and had to be kicked out of it. As with the kernel's IPI, the
 * call comes back when all that were kicked have left guest mode, or the shadow pages that they were reading.
 */
function makeAllVcpusRequest(mmu: Mmu, request: number): boolean {
  let kicked = false;
  for (let id = 0; id < mmu.vcpuCount; id++) {
    const block = mmu.vcpuBlock(id);
    Atomics.or(mmu.i32, block + VCPU_REQUESTS, 1 << request);
    // kvm_vcpu_exiting_guest_mode: only one that is in guest mode is told, any other will look at its requests by itself.
    const mode = Atomics.compareExchange(mmu.i32, block + VCPU_MODE, IN_GUEST_MODE, EXITING_GUEST_MODE);
    if (mode !== OUTSIDE_GUEST_MODE) kicked = true;
  }
  if (kicked && mmu.threaded) {
    for (let id = 0; id < mmu.vcpuCount; id++) awaitKicked(mmu, id);
  }
  return kicked;
}

/** kvm_mmu_flush_tlb: this vCPU's own TLB, at its next entry. Later kernels count where the request is served ({@link countTlbFlush}). */
export function mmuFlushTlb(mmu: Mmu, vcpuId: number): void {
  if (mmu.era !== ERA_V6_8) mmu.f64[vcpuCounterWord(mmu.arena, vcpuId, 'tlb_flush')] += 1;
  makeRequest(mmu, vcpuId, KVM_REQ_TLB_FLUSH);
}

/** kvm_vcpu_flush_tlb_all of v6.8: whoever asked for it. */
export function countTlbFlush(mmu: Mmu, vcpuId: number): void {
  if (mmu.era === ERA_V6_8) mmu.f64[vcpuCounterWord(mmu.arena, vcpuId, 'tlb_flush')] += 1;
}

/** kvm_flush_remote_tlbs: counted only when somebody had to be interrupted for it; in v6.8, for itself, also when not. */
export function flushRemoteTlbs(mmu: Mmu): void {
  mmu.f64[mmu.cRemoteTlbFlushRequests] += 1;
  const dirty = (mmu.vm + VM_TLBS_DIRTY) >> 2;
  const before = Atomics.load(mmu.i32, dirty);
  if (makeAllVcpusRequest(mmu, KVM_REQ_TLB_FLUSH)) mmu.f64[mmu.cRemoteTlbFlush] += 1;
  Atomics.compareExchange(mmu.i32, dirty, before, 0);
}

/** kvm_reload_remote_mmus. */
export function reloadRemoteMmus(mmu: Mmu): void {
  makeAllVcpusRequest(mmu, KVM_REQ_MMU_RELOAD);
}
