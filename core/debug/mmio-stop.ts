/** The debugger's ear in KVM: asks the breakpoints about every MMIO fault before it is handled. */
import { u64FromHalves } from '../base/address.ts';
import type { AccessKind } from '../base/machine-modes.ts';
import { MMIO_OUTCOMES } from '../base/mmio-outcomes.ts';
import type { KernelLogLevel, KvmHooks, PredictedMmioFault } from '../kvm/index.ts';
import type { MmioFaultPreview } from '../protocol/snapshots.ts';
import type { BreakpointTable } from './breakpoint-table.ts';

const ACCESS_KINDS: readonly AccessKind[] = ['read', 'write', 'fetch'];

export interface MmioStop {
  readonly id: number;
  readonly vcpu: number;
  readonly fault: MmioFaultPreview;
}

export class MmioStopHooks implements KvmHooks {
  mmioStopArmed = false;
  readonly #breakpoints: BreakpointTable;
  readonly #log: (level: KernelLogLevel, text: string) => void;
  #stop: MmioStop | undefined;

  constructor(breakpoints: BreakpointTable, log: (level: KernelLogLevel, text: string) => void) {
    this.#breakpoints = breakpoints;
    this.#log = log;
    this.rearm();
  }

  /** To be called when the breakpoints have changed. */
  rearm(): void {
    this.mmioStopArmed = this.#breakpoints.mmioArmed;
  }

  onMmioFault(fault: PredictedMmioFault): boolean {
    const id = this.#breakpoints.hitMmio(fault);
    if (id === 0) return false;
    this.rearm();
    this.#stop = { id, vcpu: fault.vcpuId, fault: previewOf(fault) };
    return true;
  }

  onLog(level: KernelLogLevel, text: string): void {
    this.#log(level, text);
  }

  /** The fault that the last run stopped in front of. */
  takeStop(): MmioStop | undefined {
    const stop = this.#stop;
    this.#stop = undefined;
    return stop;
  }
}

const previewOf = (fault: PredictedMmioFault): MmioFaultPreview => ({
  gva: u64FromHalves(fault.gvaLo, fault.gvaHi),
  gpa: u64FromHalves(fault.gpaLo, fault.gpaHi),
  access: ACCESS_KINDS[fault.access],
  outcome: MMIO_OUTCOMES[fault.outcome],
  spteGen: fault.spteGen,
  kvmGen: fault.kvmGen,
});
