/**
 * What kvm_exit says of an exit: reason and the two words of information (vmx_get_exit_info of arch/x86/kvm/vmx.c,
 * svm_get_exit_info of svm.c, v3.11). The processor keeps one record of an exit for all modes, numbered as on VMX; here it
 * takes the form of the machine that it came from. Cold: only for a trace.
 */
import {
  VCPU_CODE_BITS,
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
  EXIT_INVLPG,
  EXIT_IO_INSTRUCTION,
  EXIT_MSR_READ,
  EXIT_MSR_WRITE,
  EXIT_NPF,
  EXIT_TRIPLE_FAULT,
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
  [EXIT_INVLPG, 0x79],
  [EXIT_IO_INSTRUCTION, 0x7b],
  [EXIT_MSR_READ, 0x7c],
  [EXIT_MSR_WRITE, 0x7c],
]);

/** Interruption information of an intercepted #PF: valid, hardware exception with an error code, vector 14 (SDM vol 3C). */
const PAGE_FAULT_INTERRUPTION = 0x8000_0b0e | 0;

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
