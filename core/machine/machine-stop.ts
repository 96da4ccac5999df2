/** Why {@link Machine.run} came back. */
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
