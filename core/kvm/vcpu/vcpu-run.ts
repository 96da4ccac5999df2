/** What {@link Vcpu.run} came back with: the reason why user space is wanted, as KVM_EXIT_* is for KVM_RUN. */

/** The budget is used up. */
export const RUN_BUDGET = 0;
/** Halted and no interrupt is pending. */
export const RUN_HLT = 1;
/** Triple fault: KVM_EXIT_SHUTDOWN. */
export const RUN_SHUTDOWN = 2;
/** Stands in front of an instruction with an execution breakpoint. */
export const RUN_DEBUG_EXEC = 3;
/** Stands in front of an MMIO fault that hooks.onMmioFault asked to stop at. */
export const RUN_DEBUG_MMIO = 4;
/** Cannot go on: `vcpu.internalError` says why. */
export const RUN_INTERNAL_ERROR = 5;
/** A device asked to stop; the instruction that did it has retired. */
export const RUN_VMM_STOP = 6;
/** hooks.watch asked to stop: in front of a port access or an exception, or behind what happened. */
export const RUN_DEBUG_EVENT = 7;

export type RunCode =
  | typeof RUN_BUDGET
  | typeof RUN_HLT
  | typeof RUN_SHUTDOWN
  | typeof RUN_DEBUG_EXEC
  | typeof RUN_DEBUG_MMIO
  | typeof RUN_INTERNAL_ERROR
  | typeof RUN_VMM_STOP
  | typeof RUN_DEBUG_EVENT;

export const RUN_NAMES = [
  'budget',
  'hlt',
  'shutdown',
  'debug-exec',
  'debug-mmio',
  'internal-error',
  'vmm-stop',
  'debug-event',
] as const;
