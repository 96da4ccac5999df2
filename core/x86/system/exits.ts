/**
 * Why `Cpu.run` came back, and why an instruction was abandoned. VM exits carry Intel's basic exit reasons (SDM vol 3D,
 * appendix C) as their numbers, the nested page fault AMD's; what a host would call them is in core/kvm/exits/exit-info.ts.
 */

/** The budget is used up; nothing happened. */
export const EXIT_BUDGET = -1;
/** Not an exit of the guest's: an access that was settled in place left something that the host looks at between two entries. */
export const EXIT_ATTENTION = -3;
/** Not an exit of the guest's: the instruction at rip is locked as no single compare-and-exchange can do it; see exec-locked.ts. */
export const EXIT_BUS_LOCK = -4;
/** #PF intercepted for the shadow MMU: error code in VCPU_EXIT_QUALIFICATION, address in VCPU_EXIT_GVA. */
export const EXIT_EXCEPTION_NMI = 0;
export const EXIT_TRIPLE_FAULT = 2;
export const EXIT_INTERRUPT_WINDOW = 7;
export const EXIT_CPUID = 10;
export const EXIT_HLT = 12;
export const EXIT_INVLPG = 14;
export const EXIT_VMCALL = 18;
export const EXIT_CR_ACCESS = 28;
export const EXIT_IO_INSTRUCTION = 30;
export const EXIT_MSR_READ = 31;
export const EXIT_MSR_WRITE = 32;
export const EXIT_EPT_VIOLATION = 48;
export const EXIT_EPT_MISCONFIG = 49;
/** AMD: nested page fault. */
export const EXIT_NPF = 0x400;
/** Ours: an execution breakpoint stands at rip; the instruction was not executed. */
export const EXIT_DEBUG = 0x10001;
/** Reason 0 as well, for #UD: intercepted as KVM intercepts it, to look for the other vendor's hypercall. */
export const EXIT_INVALID_OPCODE = 0x10004;
/** Ours: the instruction at rip is not implemented; `cpu.unimplemented` says what. */
export const EXIT_UNIMPLEMENTED = 0x10002;

/** Ours: a debugger wants to stand in front of the exception that the instruction at rip raises; nothing was delivered. */
export const EXIT_DEBUG_EVENT = 0x10010;

/** `cpu.abort`: the instruction in progress goes on. */
export const ABORT_NONE = 0;
/** A fault or trap is to be delivered through the IDT: VCPU_EXIT_VECTOR, VCPU_EXIT_ERROR_CODE, see exceptions.ts. */
export const ABORT_EXCEPTION = 1;
/** A VM exit was recorded: VCPU_EXIT_REASON and what belongs to it. */
export const ABORT_EXIT = 2;
/** Not implemented; the sentence is in `cpu.unimplemented`. */
export const ABORT_UNIMPLEMENTED = 3;
/** A debugger wants to stand in front of it. */
export const ABORT_DEBUG = 4;

/** `emulateInstruction`: the instruction was executed. */
export const EMULATE_DONE = 0;
/** It raised an exception, which was delivered to the guest. */
export const EMULATE_FAULT_INJECTED = 1;
/** It could not be executed (not fetched, not implemented, or delivery itself needs an exit). */
export const EMULATE_FAIL = 2;
