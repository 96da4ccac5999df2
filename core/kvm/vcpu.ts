import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from '../x86/index.ts';
import type { RunCode } from './vcpu-run.ts';

/** struct kvm_vcpu: one virtual processor and KVM's loop around it. */
export class Vcpu {
  readonly id: number;
  readonly cpu: Cpu;
  /** Why the last run ended with RUN_INTERNAL_ERROR. */
  internalError = '';

  constructor(id: number, cpu: Cpu) {
    this.id = id;
    this.cpu = cpu;
  }

  /**
   * KVM_RUN: runs until `budget` instructions have retired or user space is wanted.
   * @param skipBreakpoint do not stop at an execution breakpoint on the very first instruction
   */
  run(budget: number, skipBreakpoint: boolean): RunCode {
    throw new UmbraBug(`not yet: vcpu ${this.id} run ${budget} ${skipBreakpoint}`);
  }
}
