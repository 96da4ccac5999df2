/** What each VM exit leads to (kvm_vmx_exit_handlers of arch/x86/kvm/vmx.c and svm_exit_handlers of svm.c, v3.11). */
import {
  HALTED,
  SHUT_DOWN,
  VCPU_ACTIVITY,
  VCPU_EXIT_GVA,
  VCPU_EXIT_IO_OUT,
  VCPU_EXIT_IO_STRING,
  VCPU_EXIT_REASON,
  VCPU_F_INSNS,
  VCPU_GPR,
  VCPU_INTERRUPT_WINDOW,
} from '../../arena/vcpu-layout.ts';
import {
  EXIT_CPUID,
  EXIT_CR_ACCESS,
  EXIT_DEBUG,
  EXIT_EPT_MISCONFIG,
  EXIT_EPT_VIOLATION,
  EXIT_EXCEPTION_NMI,
  EXIT_HLT,
  EXIT_INTERRUPT_WINDOW,
  EXIT_INVALID_OPCODE,
  EXIT_INVLPG,
  EXIT_IO_INSTRUCTION,
  EXIT_MSR_READ,
  EXIT_MSR_WRITE,
  EXIT_NPF,
  EXIT_TRIPLE_FAULT,
  EXIT_UNIMPLEMENTED,
  EXIT_VMCALL,
  cpuidEntry,
} from '../../x86/index.ts';
import {
  EMULATE_NEEDS_EXIT,
  emulateInstruction,
  executeForGuest,
  internalError,
  RESUME_GUEST,
  ripText,
  skipInstruction,
} from './exit-handlers-emulate.ts';
import {
  handleEptMisconfig,
  handleEptViolation,
  handleNestedPageFault,
  handleShadowPageFault,
} from './exit-handlers-fault.ts';
import {
  handlePagingInvlpg,
  handlePagingPageFault,
  isShadowPaging,
  unprotectPageVirt,
} from './exit-handlers-paging.ts';
import { handleCrAccess } from './exit-handlers-control.ts';
import { handleHypercall, handleInvalidOpcode } from './exit-handlers-hypercall.ts';
import { ERA_V6_8 } from '../eras.ts';
import { MMU_NPT, MMU_SHADOW } from '../mmu/mmu.ts';
import { mmuContext, mmuUnload } from '../mmu/mmu-roots.ts';
import { mmuFlushTlb } from '../vcpu/requests.ts';
import { traceKvmCpuid, traceKvmMsr, traceKvmUserspaceExit } from '../trace/trace-events.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';
import { KVM_EXIT_HLT, KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_SHUTDOWN } from '../vcpu/vcpu-exit-reasons.ts';
import { RUN_DEBUG_EXEC, RUN_SHUTDOWN } from '../vcpu/vcpu-run.ts';

const RAX = VCPU_GPR;
const RCX = VCPU_GPR + 2;
const RDX = VCPU_GPR + 4;

/**
 * An instruction that cannot be emulated because an access of its own or the delivery of its exception needs a page that the
 * tables do not map (it was zapped just now, say) is started over in the guest, after that exit has been handled as any other.
 * @returns RESUME_GUEST, or the RUN_* code to leave with
 */
export function handleExit(vcpu: VcpuContext, exit: number): number {
  const result = dispatchExit(vcpu, exit);
  if (result !== EMULATE_NEEDS_EXIT) return result;
  const inner = vcpu.r[VCPU_EXIT_REASON];
  // reexecute_instruction: an access that the emulator does not make itself (a push of INT n, say) may be to a shadowed table.
  if (inner === EXIT_EXCEPTION_NMI && isShadowPaging(vcpu)) {
    unprotectPageVirt(vcpu, vcpu.r[VCPU_EXIT_GVA], vcpu.r[VCPU_EXIT_GVA + 1]);
  }
  const again = dispatchExit(vcpu, inner);
  if (again !== EMULATE_NEEDS_EXIT) return again;
  const text = `emulation failed at rip ${ripText(vcpu)}: the instruction ran into VM exit ${inner} twice in a row`;
  return internalError(vcpu, text);
}

function dispatchExit(vcpu: VcpuContext, exit: number): number {
  switch (exit) {
    case EXIT_EPT_MISCONFIG:
      return handleEptMisconfig(vcpu);
    case EXIT_EPT_VIOLATION:
      return handleEptViolation(vcpu);
    case EXIT_NPF:
      return handleNestedPageFault(vcpu);
    case EXIT_EXCEPTION_NMI:
      return isShadowPaging(vcpu) ? handlePagingPageFault(vcpu) : handleShadowPageFault(vcpu);
    case EXIT_IO_INSTRUCTION:
      return handleIo(vcpu);
    case EXIT_CPUID:
      return handleCpuid(vcpu);
    case EXIT_MSR_READ:
      return handleMsr(vcpu, false);
    case EXIT_MSR_WRITE:
      return handleMsr(vcpu, true);
    case EXIT_HLT:
      return handleHalt(vcpu);
    case EXIT_INTERRUPT_WINDOW:
      return handleInterruptWindow(vcpu);
    case EXIT_INVLPG:
      return handleInvlpg(vcpu);
    case EXIT_CR_ACCESS:
      return handleCrAccess(vcpu);
    case EXIT_VMCALL:
      return handleHypercall(vcpu);
    case EXIT_INVALID_OPCODE:
      return handleInvalidOpcode(vcpu);
    case EXIT_TRIPLE_FAULT:
      return shutDown(vcpu);
    case EXIT_DEBUG:
      return RUN_DEBUG_EXEC;
    case EXIT_UNIMPLEMENTED:
      return internalError(vcpu, vcpu.cpu.unimplemented);
    default:
      return internalError(vcpu, `no handler for exit reason ${exit}`);
  }
}

/** KVM_EXIT_SHUTDOWN. */
export function shutDown(vcpu: VcpuContext): number {
  vcpu.r[VCPU_ACTIVITY] = SHUT_DOWN;
  traceKvmUserspaceExit(vcpu.mmu.arena, vcpu.id, KVM_EXIT_SHUTDOWN, 0);
  return RUN_SHUTDOWN;
}

/** handle_io: string forms and IN go through the emulator, OUT does not (kvm_fast_pio_out). */
function handleIo(vcpu: VcpuContext): number {
  const { r } = vcpu;
  vcpu.count(vcpu.cIoExits);
  if (r[VCPU_EXIT_IO_STRING] !== 0 || r[VCPU_EXIT_IO_OUT] === 0) return emulateInstruction(vcpu);
  return executeForGuest(vcpu);
}

/** kvm_emulate_cpuid. */
function handleCpuid(vcpu: VcpuContext): number {
  const { r, mmu } = vcpu;
  const leaf = r[RAX];
  const index = r[RCX];
  const result = executeForGuest(vcpu);
  if (result === RESUME_GUEST)
    traceKvmCpuid(mmu.arena, vcpu.id, leaf, index, cpuidEntry(leaf, index, mmu.mode === MMU_NPT));
  return result;
}

/** handle_rdmsr and handle_wrmsr: an MSR that is not there is #GP(0), and nothing retires. */
function handleMsr(vcpu: VcpuContext, write: boolean): number {
  const { r, f } = vcpu;
  const ecx = r[RCX];
  const retired = f[VCPU_F_INSNS];
  const context = mmuContext(r);
  const lo = r[RAX];
  const hi = r[RDX];
  const result = executeForGuest(vcpu);
  // Started over after another exit, unless that is the end of the guest.
  if (result !== RESUME_GUEST && r[VCPU_EXIT_REASON] !== EXIT_TRIPLE_FAULT) return result;
  const refused = f[VCPU_F_INSNS] === retired;
  // set_efer calls kvm_mmu_reset_context; where tables are shadowed the next entry sees to that.
  if (write && vcpu.mmu.mode !== MMU_SHADOW && mmuContext(r) !== context) mmuUnload(vcpu.mmu, r);
  if (write) traceKvmMsr(vcpu.mmu.arena, vcpu.id, true, ecx, lo, hi, refused);
  else traceKvmMsr(vcpu.mmu.arena, vcpu.id, false, ecx, refused ? 0 : r[RAX], refused ? 0 : r[RDX], refused);
  return result;
}

/**
 * handle_interrupt_window: who keeps the interrupt controllers in user space wants to know. v3.11 leaves from here; since 4.5
 * vcpu_run does, as dm_request_for_irq_injection says, and counts it.
 */
function handleInterruptWindow(vcpu: VcpuContext): number {
  vcpu.count(vcpu.cIrqWindow);
  vcpu.r[VCPU_INTERRUPT_WINDOW] = 0;
  if (vcpu.mmu.era === ERA_V6_8) vcpu.count(vcpu.cRequestIrq);
  traceKvmUserspaceExit(vcpu.mmu.arena, vcpu.id, KVM_EXIT_IRQ_WINDOW_OPEN, 0);
  return RESUME_GUEST;
}

/** handle_halt, kvm_emulate_halt. The loop around the vCPU decides whether an interrupt wakes it at once. */
function handleHalt(vcpu: VcpuContext): number {
  skipInstruction(vcpu);
  vcpu.count(vcpu.cHaltExits);
  vcpu.r[VCPU_ACTIVITY] = HALTED;
  traceKvmUserspaceExit(vcpu.mmu.arena, vcpu.id, KVM_EXIT_HLT, 0);
  return RESUME_GUEST;
}

/**
 * kvm_mmu_invlpg; without guest paging there is nothing but the TLB (nonpaging_invlpg). v3.11
 * asks for a flush of all of it, v6.8 has the processor flush the one address at once (kvm_x86_flush_tlb_gva).
 */
function handleInvlpg(vcpu: VcpuContext): number {
  if (isShadowPaging(vcpu)) handlePagingInvlpg(vcpu);
  if (vcpu.mmu.era === ERA_V6_8) vcpu.cpu.flushTlb();
  else mmuFlushTlb(vcpu.mmu, vcpu.id);
  vcpu.count(vcpu.cInvlpg);
  skipInstruction(vcpu);
  return RESUME_GUEST;
}
