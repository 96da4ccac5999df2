/**
 * Hypercalls (kvm_emulate_hypercall of arch/x86/kvm/x86.c) and the intercepted #UD (handle_exception of vmx.c, ud_interception of
 * svm.c; em_vmcall, em_vmmcall and emulator_fix_hypercall), v3.11.
 */
import {
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_EXIT_INSN_LENGTH,
  VCPU_GPR,
  VCPU_RIP,
} from '../../arena/vcpu-layout.ts';
import { TP_KVM_EMULATE_INSN } from '../../base/tracepoints.ts';
import { ABORT_NONE, VECTOR_GP, VECTOR_UD } from '../../x86/index.ts';
import { ERA_V6_8 } from '../eras.ts';
import { MMU_NPT } from '../mmu/mmu.ts';
import { isLongMode } from '../shadow/guest-paging.ts';
import { traceEnabled } from '../trace/trace.ts';
import { traceKvmHypercall } from '../trace/trace-events.ts';
import type { VcpuContext } from '../vcpu/vcpu-context.ts';
import { injectEmulatedException, queueException } from './exception-queue.ts';
import { instructionAt, RESUME_GUEST, skipInstruction, traceInsn } from './exit-handlers-emulate.ts';

const RAX = VCPU_GPR;

const KVM_HC_VAPIC_POLL_IRQ = 1;
const KVM_EPERM = 1;
const KVM_ENOSYS = 1000;
const CR0_PE = 1;

/** Whether the arguments have 64 bits: v3.11 asks for long mode, later kernels for 64-bit code. */
const isWide = (vcpu: VcpuContext): boolean =>
  vcpu.mmu.era === ERA_V6_8 ? vcpu.r[VCPU_CODE_BITS] === 64 : isLongMode(vcpu.r);

/**
 * kvm_emulate_hypercall. KVM_HC_KICK_CPU and all that came later belong to features that are not offered here, and without them KVM
 * answers that it does not know the call.
 */
export function handleHypercall(vcpu: VcpuContext): number {
  const { r, mmu, id } = vcpu;
  skipInstruction(vcpu);
  traceKvmHypercall(mmu.arena, id);
  const wide = isWide(vcpu);
  const polls = r[RAX] === KVM_HC_VAPIC_POLL_IRQ && (!wide || r[RAX + 1] === 0);
  const answer = r[VCPU_CPL] !== 0 ? -KVM_EPERM : polls ? 0 : -KVM_ENOSYS;
  r[RAX] = answer;
  // v3.11 stores a long, whatever the mode.
  r[RAX + 1] = wide || mmu.era !== ERA_V6_8 ? answer >> 31 : 0;
  vcpu.count(vcpu.cHypercalls);
  return RESUME_GUEST;
}

/** VMCALL and VMMCALL, first byte lowest. */
const VMCALL = 0xc1_010f;
const VMMCALL = 0xd9_010f;

/** Prefixes that x86_decode_insn takes and that change nothing of a hypercall; REX in 64-bit code only. */
const HARMLESS_PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3]);
const LOCK_PREFIX = 0xf0;
const MAX_LENGTH = 15;

/** Whether the instruction at RIP is a hypercall as the emulator decodes it: prefixes first, over a page's border too. @returns its length, or 0 */
function hypercallLength(vcpu: VcpuContext, opcode: number): number {
  const { u8 } = vcpu.mmu.arena;
  const byteAt = (n: number): number => {
    const at = n < MAX_LENGTH ? instructionAt(vcpu, n) : -1;
    return at < 0 ? -1 : u8[at];
  };
  const long = vcpu.r[VCPU_CODE_BITS] === 64;
  let n = 0;
  for (;;) {
    const byte = byteAt(n);
    // LOCK is #UD to the emulator too, unless memory is written.
    if (byte === LOCK_PREFIX) return 0;
    if (!HARMLESS_PREFIXES.has(byte) && !(long && (byte & 0xf0) === 0x40)) break;
    n++;
  }
  for (let i = 0; i < 3; i++) if (byteAt(n + i) !== ((opcode >> (8 * i)) & 0xff)) return 0;
  return n + 3;
}

/**
 * emulator_fix_hypercall: writes the instruction of this processor's vendor over the other's, as the guest would write it (RIP
 * taken for a linear address), over its prefixes first if it has any. False: it may not, and the page fault is the guest's.
 */
function fixHypercall(vcpu: VcpuContext, own: number): boolean {
  const { cpu, r, emulator } = vcpu;
  emulator.writeData(cpu, r[VCPU_RIP], r[VCPU_RIP + 1], 3, own, 0);
  if (cpu.abort === ABORT_NONE) return true;
  injectEmulatedException(vcpu);
  return false;
}

/**
 * EMULTYPE_TRAP_UD: only instructions that one vendor has and the other has not are emulated, of which the hypercalls are all that
 * differ here (SYSCALL and SYSENTER are undefined in the same modes by the CPUID that is offered); any other #UD is the guest's.
 */
export function handleInvalidOpcode(vcpu: VcpuContext): number {
  const { r, mmu } = vcpu;
  const amd = mmu.mode === MMU_NPT;
  const foreign = amd ? VMCALL : VMMCALL;
  const modern = mmu.era === ERA_V6_8;
  vcpu.count(vcpu.cInsnEmulation);
  if (traceEnabled(mmu.arena, TP_KVM_EMULATE_INSN)) traceInsn(vcpu, false);
  const length = hypercallLength(vcpu, foreign);
  if (length === 0 || (!amd && (r[VCPU_CR0] & CR0_PE) === 0)) {
    queueException(vcpu, VECTOR_UD);
  } else if (amd && r[VCPU_CPL] !== 0) {
    // em_vmcall is privileged.
    queueException(vcpu, VECTOR_GP);
  } else if (fixHypercall(vcpu, amd ? VMMCALL : VMCALL) && !amd && !modern) {
    // em_vmcall has the processor execute what stands there now; v3.11's em_vmmcall goes on behind it, with nothing called.
    r[VCPU_EXIT_INSN_LENGTH] = length;
    skipInstruction(vcpu);
  }
  return RESUME_GUEST;
}
