/**
 * What kvm_exit says of an exit: reason and the two words of information (vmx_get_exit_info of arch/x86/kvm/vmx.c,
 * svm_get_exit_info of svm.c, v3.11). The processor keeps one record of an exit for all modes, numbered as on VMX; here it
 * takes the form of the machine that it came from. Cold: only for a trace.
 */
import {
  VCPU_CODE_BITS,
  VCPU_CR0,
  VCPU_EXIT_GVA,
  VCPU_EXIT_INSN_LENGTH,
  VCPU_EXIT_QUALIFICATION,
  VCPU_RIP,
} from '../../arena/vcpu-layout.ts';
import {
  EXIT_CPUID,
  EXIT_CR_ACCESS,
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
  EXIT_VMCALL,
} from '../../x86/index.ts';
import { VCPU_PENDING_INTERRUPT } from '../mmu/mmu-words.ts';

/** kvm_exit's isa. */
export const KVM_ISA_VMX = 1;
export const KVM_ISA_SVM = 2;

/** SVM_EXIT_* (APM vol 2, appendix C) for the processor's numbers. */
const SVM_CODES: ReadonlyMap<number, number> = new Map([
  [EXIT_TRIPLE_FAULT, 0x7f], // shutdown
  [EXIT_INTERRUPT_WINDOW, 0x64], // vintr
  [EXIT_CPUID, 0x72],
  [EXIT_HLT, 0x78],
  [EXIT_INVALID_OPCODE, 0x46], // excp_ud
  [EXIT_VMCALL, 0x81], // vmmcall
  [EXIT_INVLPG, 0x79],
  [EXIT_IO_INSTRUCTION, 0x7b],
  [EXIT_MSR_READ, 0x7c],
  [EXIT_MSR_WRITE, 0x7c],
]);

/** Interruption information of an intercepted #PF: valid, hardware exception with an error code, vector 14 (SDM vol 3C). */
const PAGE_FAULT_INTERRUPTION = 0x8000_0b0e | 0;
/** Of an intercepted #UD: no error code, vector 6. */
const INVALID_OPCODE_INTERRUPTION = 0x8000_0306 | 0;

/** The code that a processor of AMD's has for an exit. */
export const svmExitCode = (reason: number): number => SVM_CODES.get(reason) ?? reason;

export type Halves = readonly [low: number, high: number];

export interface ExitInfo {
  readonly reason: number;
  readonly info1: Halves;
  readonly info2: Halves;
  /** Later kernels trace these too: the error code of an intercepted exception, and the event whose delivery was cut short. */
  readonly errorCode: number;
  readonly idtVectoring: number;
}

type ModeExitInfo = Pick<ExitInfo, 'reason' | 'info1' | 'info2'>;

const NONE: Halves = [0, 0];

/**
 * @param r the vCPU's block
 * @param info1 exit qualification, or the error code of a nested page fault
 * @param info2 the gpa of a nested page fault
 */
export function exitInfo(r: Int32Array, reason: number, isa: number, info1: Halves, info2: Halves): ExitInfo {
  const info = isa === KVM_ISA_SVM ? svmExitInfo(r, reason, info1, info2) : vmxExitInfo(r, reason, info1);
  const errorCode = isa === KVM_ISA_VMX && reason === EXIT_EXCEPTION_NMI ? r[VCPU_EXIT_QUALIFICATION] : 0;
  // Valid, external interrupt, its vector (SDM vol 3C, "Information for VM Exits During Event Delivery").
  const vector = r[VCPU_PENDING_INTERRUPT];
  return { ...info, errorCode, idtVectoring: vector === 0 ? 0 : 0x8000_0000 | (vector - 1) };
}

/** Exits without a qualification have zero there, whatever an earlier one left (SDM vol 3C, "Exit Qualification"). */
function vmxExitInfo(r: Int32Array, reason: number, qualification: Halves): ModeExitInfo {
  switch (reason) {
    case EXIT_EXCEPTION_NMI:
      // Of a #PF the qualification is the linear address.
      return {
        reason,
        info1: [r[VCPU_EXIT_GVA], r[VCPU_EXIT_GVA + 1]],
        info2: [PAGE_FAULT_INTERRUPTION, 0],
      };
    case EXIT_INVALID_OPCODE:
      return { reason: EXIT_EXCEPTION_NMI, info1: NONE, info2: [INVALID_OPCODE_INTERRUPTION, 0] };
    case EXIT_EPT_VIOLATION:
    case EXIT_IO_INSTRUCTION:
    case EXIT_INVLPG:
    case EXIT_CR_ACCESS:
      return { reason, info1: qualification, info2: NONE };
    default:
      return { reason, info1: NONE, info2: NONE };
  }
}

function svmExitInfo(r: Int32Array, reason: number, info1: Halves, info2: Halves): ModeExitInfo {
  const code = svmExitCode(reason);
  switch (reason) {
    case EXIT_NPF:
      return { reason, info1, info2 };
    case EXIT_IO_INSTRUCTION:
      return { reason: code, info1: [ioInfo(r), 0], info2: nextRip(r) };
    case EXIT_MSR_WRITE:
      return { reason: code, info1: [1, 0], info2: NONE };
    case EXIT_CR_ACCESS:
      return { reason: crAccessCode(r), info1: crAccessInfo(r), info2: NONE };
    default:
      return { reason: code, info1: NONE, info2: NONE };
  }
}

/** EXITINFO1 of IOIO: port, address size, operand size, repeat, string, direction (APM vol 2, "IOIO Intercepts"). */
function ioInfo(r: Int32Array): number {
  const qualification = r[VCPU_EXIT_QUALIFICATION];
  const input = (qualification & 8) !== 0 ? 1 : 0;
  const string = (qualification & 0x10) !== 0 ? 4 : 0;
  const repeat = (qualification & 0x20) !== 0 ? 8 : 0;
  const size = 0x10 * ((qualification & 7) + 1);
  const address = r[VCPU_CODE_BITS] === 64 ? 0x200 : r[VCPU_CODE_BITS] === 32 ? 0x100 : 0x80;
  return (qualification & ~0xffff) | address | size | repeat | string | input;
}

/** EXITINFO2 of IOIO: where the guest goes on. */
function nextRip(r: Int32Array): Halves {
  const sum = (r[VCPU_RIP] >>> 0) + r[VCPU_EXIT_INSN_LENGTH];
  return [sum | 0, r[VCPU_RIP + 1] + (sum > 0xffff_ffff ? 1 : 0)];
}

/** Kinds of access in the qualification of EXIT_CR_ACCESS, bits 4–5. */
const MOV_TO = 0;
const MOV_FROM = 1;
const SVM_EXIT_WRITE_CR0 = 0x10;
const SVM_EXIT_CR0_SEL_WRITE = 0x65;

/** Whether CR0 has its own intercepts, which KVM gives it while the guest's has CD or NW; else a write exits by the selective one. */
const isCr0Intercepted = (r: Int32Array): boolean => (r[VCPU_CR0] & 0x6000_0000) !== 0;

/** EXITCODE: CR0_READ is 0. */
function crAccessCode(r: Int32Array): number {
  const qualification = r[VCPU_EXIT_QUALIFICATION];
  const register = qualification & 0xf;
  if (((qualification >> 4) & 3) === MOV_FROM) return register;
  return register === 0 && !isCr0Intercepted(r) ? SVM_EXIT_CR0_SEL_WRITE : SVM_EXIT_WRITE_CR0 + register;
}

/** SMSW, a read of CR0 as well (core/x86/system/control-exits.ts). */
const SMSW_FLAG = 0x80;

/** Whether the decode assists say which general register it is: of a MOV by its own intercept (APM vol 2, "Decode Assists"). */
export function namesRegister(r: Int32Array): boolean {
  const qualification = r[VCPU_EXIT_QUALIFICATION];
  const kind = (qualification >> 4) & 3;
  if ((kind !== MOV_TO && kind !== MOV_FROM) || (qualification & SMSW_FLAG) !== 0) return false;
  return (qualification & 0xf) !== 0 || isCr0Intercepted(r);
}

/** EXITINFO1: bit 63 says that bits 0–3 name the register. */
const crAccessInfo = (r: Int32Array): Halves =>
  namesRegister(r) ? [(r[VCPU_EXIT_QUALIFICATION] >> 8) & 0xf, 0x8000_0000 | 0] : NONE;
