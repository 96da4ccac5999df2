/** How the debugger and the log listen to KVM. With nobody listening a hook costs one test of a boolean. */
import type { CpuWatch } from '../x86/index.ts';

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

/** Bits of {@link KvmWatch.armed}. */
export const WATCH_PORTS = 1;
export const WATCH_SPTES = 2;
export const WATCH_MEMSLOTS = 4;
export const WATCH_WRAP = 8;
export const WATCH_ZAPS = 16;

/** Who changed an spte, as the kernel names it; an index travels. */
export const SPTE_WRITERS = [
  'mmu_spte_set',
  'mmu_spte_update',
  'mmu_spte_clear_no_track',
  'fast_page_fault',
  'the processor',
] as const;
export const BY_MMU_SPTE_SET = 0;
export const BY_MMU_SPTE_UPDATE = 1;
export const BY_MMU_SPTE_CLEAR = 2;
export const BY_FAST_PAGE_FAULT = 3;
export const BY_PROCESSOR = 4;

/**
 * A debugger that watches more of KVM than MMIO faults. Its calls come from exits and memslot calls only, each behind a test of
 * `armed`; none may change the machine. Only where vCPUs take turns on one thread.
 */
export interface KvmWatch extends CpuWatch {
  /** WATCH_*. */
  readonly armed: number;
  /** The machine is to stand still before a vCPU enters the guest again. */
  readonly stopPending: boolean;
  /** The vCPU that runs from now on, −1 when user space does. */
  enter(vcpuId: number): void;
  /** In front of IN, OUT, INS, OUTS: nothing is counted or done yet. True stops there. `value` is what OUT sends. */
  onPort(vcpuId: number, port: number, size: number, out: boolean, string: boolean, value: number): boolean;
  /** An spte has been written. */
  onSpteChange(sptep: number, oldLo: number, oldHi: number, by: number): void;
  onMemslotChange(change: string, slotId: number, npages: number): void;
  /** All MMIO sptes are about to be zapped because the generation went round. */
  onGenerationWrap(generation: bigint): void;
  /** kvm_mmu_prepare_zap_page of a page of the pool. */
  onZap(page: number): void;
}

export interface KvmHooks {
  /** Somebody who watches more. */
  readonly watch?: KvmWatch | undefined;
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
