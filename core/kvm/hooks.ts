/** How the debugger and the log listen to KVM. With nobody listening a hook costs one test of a boolean. */

/**
 * An MMIO fault that the vCPU stands in front of. One object per vCPU, overwritten by the next fault: whoever keeps it copies it.
 */
export interface PredictedMmioFault {
  vcpuId: number;
  gvaLo: number;
  gvaHi: number;
  gpaLo: number;
  gpaHi: number;
  /** 0 read, 1 write, 2 fetch. */
  access: number;
  /** MMIO_* of core/base/mmio-outcomes.ts. */
  outcome: number;
  /** Generation of the MMIO spte that stands at the gpa, −1 when there is none (or the era keeps none). */
  spteGen: number;
  /** Current MMIO generation, −1 in an era without one. */
  kvmGen: number;
}

export interface KvmHooks {
  /** Set while somebody wants {@link KvmHooks.onMmioFault} to be called. */
  mmioStopArmed: boolean;
  /**
   * Called with the predicted outcome before anything of the fault is handled: no trace, no cache fill, no count.
   * True stops the vCPU here; its instruction is not retired and will fault again.
   */
  onMmioFault(fault: PredictedMmioFault): boolean;
  /**
   * Called when a fault has looked its frame up in the memslots and is about to take mmu_lock: for the race laboratory, which
   * holds it there. `pfn` is KVM_PFN_NOSLOT for MMIO.
   */
  onMemslotLookup?(vcpuId: number, gfn: number, pfn: number): void;
  /** A line of the kernel log, with printk's level word ('info', 'warning', 'error'). */
  onLog?(level: KernelLogLevel, text: string): void;
}

export type KernelLogLevel = 'info' | 'warning' | 'error';

/** Nobody listens. */
export const noHooks = (): KvmHooks => ({ mmioStopArmed: false, onMmioFault: () => false });
