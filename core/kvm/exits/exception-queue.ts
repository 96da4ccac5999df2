/**
 * vcpu->arch.exception: the exception that KVM injects at the next entry (kvm_multiple_exception and inject_page_fault of
 * arch/x86/kvm/x86.c, v3.11). It stays queued until its delivery has gone through; what faults meanwhile is a second exception.
 */
import {
  VCPU_CR2,
  VCPU_EXIT_ERROR_CODE,
  VCPU_EXIT_GVA,
  VCPU_EXIT_REASON,
  VCPU_EXIT_VECTOR,
  VCPU_F_DELIVERIES,
  VCPU_IDT_VECTORING,
} from '../../arena/vcpu-layout.ts';
import { ABORT_NONE, EXIT_TRIPLE_FAULT, VECTOR_UD } from '../../x86/index.ts';
import { VCPU_PENDING_ERROR_CODE, VCPU_PENDING_EXCEPTION } from '../mmu/mmu-words.ts';
import { KVM_REQ_TRIPLE_FAULT, makeRequest } from '../vcpu/requests.ts';
import { vcpuCounterWord } from '../trace/stats.ts';
import { traceKvmInjException } from '../trace/trace-events.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';
import { NO_EXIT } from '../vcpu/vcpu-exit-reasons.ts';

const DF_VECTOR = 8;
const PF_VECTOR = 14;

function queue(vcpu: VcpuContext, vector: number, errorCode: number): void {
  vcpu.r[VCPU_PENDING_EXCEPTION] = vector + 1;
  vcpu.r[VCPU_PENDING_ERROR_CODE] = errorCode;
}

/** The event whose delivery the exit interrupted: one that KVM injects, or one of the processor's own; −1 = none. */
export function vectoringEvent(r: Int32Array): number {
  if (r[VCPU_PENDING_EXCEPTION] !== 0) return r[VCPU_PENDING_EXCEPTION] - 1;
  return r[VCPU_IDT_VECTORING] - 1;
}

/**
 * kvm_queue_exception of #GP(0) or #UD, for an instruction that KVM refuses on the guest's behalf. Nothing is being delivered
 * then: instructions are not executed in the middle of a delivery.
 */
export const queueException = (vcpu: VcpuContext, vector: number): void => queue(vcpu, vector, 0);

/** inject_emulated_exception: what an access of KVM's own on the guest's behalf has raised, and `cpu.abort` announces. */
export function injectEmulatedException(vcpu: VcpuContext): void {
  const { r, cpu, mmu, id } = vcpu;
  const vector = r[VCPU_EXIT_VECTOR] & 0xff;
  cpu.abort = ABORT_NONE;
  if (vector === PF_VECTOR) {
    mmu.f64[vcpuCounterWord(mmu.arena, id, 'pf_guest')] += 1;
    r[VCPU_CR2] = r[VCPU_EXIT_GVA];
    r[VCPU_CR2 + 1] = r[VCPU_EXIT_GVA + 1];
  }
  queue(vcpu, vector, r[VCPU_EXIT_ERROR_CODE]);
}

/**
 * inject_page_fault. On top of a page fault it makes a double fault, on top of that a triple fault; anything else that was
 * being delivered comes again by itself when the guest gets to it (SDM vol 3A, "Double Fault Exception").
 */
export function injectPageFault(vcpu: VcpuContext, lo: number, hi: number, errorCode: number): void {
  const { r, mmu, id } = vcpu;
  mmu.f64[vcpuCounterWord(mmu.arena, id, 'pf_guest')] += 1;
  r[VCPU_CR2] = lo;
  r[VCPU_CR2 + 1] = hi;
  const first = vectoringEvent(r);
  r[VCPU_IDT_VECTORING] = 0;
  if (first === DF_VECTOR) {
    r[VCPU_PENDING_EXCEPTION] = 0;
    makeRequest(mmu, id, KVM_REQ_TRIPLE_FAULT);
  } else if (first === PF_VECTOR) {
    queue(vcpu, DF_VECTOR, 0);
  } else {
    queue(vcpu, PF_VECTOR, errorCode);
  }
}

/**
 * The delivery of a queued exception, which the hardware does at VM entry.
 * @returns false when it ran into the exit in VCPU_EXIT_REASON; it stays queued then, unless that exit is the guest's end
 */
export function deliverQueuedException(vcpu: VcpuContext): boolean {
  const { r, f, cpu, mmu } = vcpu;
  const vector = r[VCPU_PENDING_EXCEPTION] - 1;
  const errorCode = r[VCPU_PENDING_ERROR_CODE];
  const hasError = vector !== VECTOR_UD;
  traceKvmInjException(mmu.arena, vcpu.id, vector, hasError, errorCode);
  r[VCPU_EXIT_REASON] = NO_EXIT;
  const exit = cpu.injectException(vector, hasError, errorCode, r[VCPU_CR2], r[VCPU_CR2 + 1]);
  // Reason 0 is an exit too.
  if (exit === 0 && r[VCPU_EXIT_REASON] === NO_EXIT) {
    r[VCPU_PENDING_EXCEPTION] = 0;
    f[VCPU_F_DELIVERIES] += 1;
    return true;
  }
  r[VCPU_EXIT_REASON] = exit;
  if (exit === EXIT_TRIPLE_FAULT) r[VCPU_PENDING_EXCEPTION] = 0;
  return false;
}
