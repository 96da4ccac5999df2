/** Why {@link Machine.run} came back. */
import { assertUnreachable } from '../base/assert.ts';
import {
  RUN_DEBUG_EVENT,
  RUN_DEBUG_EXEC,
  RUN_DEBUG_MMIO,
  RUN_INTERNAL_ERROR,
  RUN_SHUTDOWN,
  type RunCode,
  type Vcpu,
} from '../kvm/index.ts';
import type { RUN_BUDGET, RUN_HLT, RUN_VMM_STOP } from '../kvm/index.ts';

export type MachineStop =
  /** The slice is over; nothing happened that anybody must look at. */
  | { readonly kind: 'budget' }
  /** HLT, and no interrupt can ever come unless somebody types (`waitsForInput`). */
  | { readonly kind: 'halted'; readonly waitsForInput: boolean; readonly message: string }
  /** Triple fault, or the guest pulled a reset line. `vcpu`: whose doing it was. */
  | { readonly kind: 'shutdown'; readonly vcpu: number; readonly message: string }
  /** Stands in front of an instruction with an execution breakpoint. */
  | { readonly kind: 'exec-breakpoint'; readonly vcpu: number }
  /** Stands in front of an MMIO fault that the hooks asked to stop at. */
  | { readonly kind: 'mmio-breakpoint'; readonly vcpu: number }
  /** The hooks' watch asked to stop: it knows what for. `vcpu` is the one that noticed. */
  | { readonly kind: 'event'; readonly vcpu: number }
  /** The guest wrote the debug-exit port: `status` is `(value << 1) | 1`, modulo 256. */
  | { readonly kind: 'exit'; readonly status: number }
  /** The machine cannot go on: something is not implemented, or KVM met what it calls a bug. */
  | { readonly kind: 'error'; readonly vcpu: number; readonly message: string };

/** SDM vol 3A, "Interrupt 8—Double Fault Exception (#DF)": an exception while a double fault is delivered shuts the processor down. */
export const tripleFault = (vcpu: number): MachineStop => ({
  kind: 'shutdown',
  vcpu,
  message: 'triple fault: an exception could not be delivered, nor the double fault',
});

/** What a vCPU came back with, where that is for its machine's user. */
export function stopOfVcpu(
  vcpu: Vcpu,
  code: Exclude<RunCode, typeof RUN_BUDGET | typeof RUN_VMM_STOP | typeof RUN_HLT>,
): MachineStop {
  switch (code) {
    case RUN_SHUTDOWN:
      return tripleFault(vcpu.id);
    case RUN_DEBUG_EXEC:
      return { kind: 'exec-breakpoint', vcpu: vcpu.id };
    case RUN_DEBUG_EVENT:
      return { kind: 'event', vcpu: vcpu.id };
    case RUN_DEBUG_MMIO:
      return { kind: 'mmio-breakpoint', vcpu: vcpu.id };
    case RUN_INTERNAL_ERROR:
      return { kind: 'error', vcpu: vcpu.id, message: vcpu.internalError };
    default:
      return assertUnreachable(code);
  }
}
