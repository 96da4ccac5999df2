/** How the machine stands: the moment that every snapshot belongs to, its state, and why it is where it is. */
import type { HostPages } from '../base/host-pages.ts';
import type { AccessKind, Era, MmuMode } from '../base/machine-modes.ts';
import type { MmioOutcome } from '../base/mmio-outcomes.ts';
import type { BreakpointEvent } from './breakpoint-snapshots.ts';

/** The moment a snapshot belongs to. A reply whose epoch is older than the client's is dropped. */
export interface Moment {
  /** Grows with every stop, step, edit and load. While running it stays and `live` is true. */
  readonly epoch: number;
  readonly live: boolean;
  /** Instructions retired by all vCPUs since reset. */
  readonly insns: number;
  /** The memslots generation (u64) and what era and mask make of it; −1 where the era has none. */
  readonly memslotsGeneration: bigint;
  readonly mmioGeneration: number;
  /** A memslot update is held between two of its steps: which, and where. What is shown is what readers see meanwhile. */
  readonly heldUpdate?: string | undefined;
}

export type RunState = 'empty' | 'paused' | 'running' | 'halted' | 'exited' | 'shutdown' | 'error' | 'crashed';

/** Why the machine is where it is, in a form that can be shown and tested. */
export type StopReason =
  | { readonly kind: 'none' }
  | { readonly kind: 'loaded' }
  | { readonly kind: 'paused' }
  | { readonly kind: 'step' }
  | { readonly kind: 'run-to'; readonly address: bigint }
  | {
      readonly kind: 'breakpoint';
      readonly id: number;
      readonly vcpu: number;
      readonly address: bigint;
      /** Why the condition has no value: the machine stops to say so. */
      readonly problem?: string | undefined;
    }
  | {
      readonly kind: 'mmio-breakpoint';
      readonly id: number;
      readonly vcpu: number;
      readonly fault: MmioFaultPreview;
      readonly problem?: string | undefined;
    }
  /** Any other kind of breakpoint. */
  | {
      readonly kind: 'event-breakpoint';
      readonly id: number;
      /** The vCPU that was running, −1 when user space was. */
      readonly vcpu: number;
      readonly event: BreakpointEvent;
      readonly problem?: string | undefined;
    }
  | { readonly kind: 'halted' }
  | { readonly kind: 'exited'; readonly status: number }
  /** `vcpu`: whose doing it was, where it was a vCPU's. */
  | { readonly kind: 'shutdown'; readonly detail: string; readonly vcpu?: number }
  | { readonly kind: 'error'; readonly message: string; readonly vcpu?: number };

/** An MMIO fault that the machine stands in front of: nothing of it has been handled yet. */
export interface MmioFaultPreview {
  readonly gva: bigint;
  readonly gpa: bigint;
  readonly access: AccessKind;
  readonly outcome: MmioOutcome;
  /** Generation of the MMIO spte found, −1 when there is none. */
  readonly spteGen: number;
  readonly kvmGen: number;
}

export interface VcpuSummary {
  readonly id: number;
  readonly rip: bigint;
  readonly cpl: number;
  /** 'real' | 'protected' | 'pae' …: a word for people. */
  readonly mode: string;
  readonly activity: 'running' | 'halted' | 'shutdown' | 'waiting';
  readonly lastExit: string;
}

export interface MachineStatus {
  readonly moment: Moment;
  readonly state: RunState;
  readonly reason: StopReason;
  readonly image: string | undefined;
  readonly mmu: MmuMode;
  readonly era: Era;
  readonly maxPhyAddr: number;
  /** Undefined for a host CPU without the L1TF bug. */
  readonly l1tfCacheBits: number | undefined;
  readonly hostPages: HostPages;
  readonly eptAd: boolean;
  readonly threads: boolean;
  readonly ramBytes: number;
  readonly vcpus: readonly VcpuSummary[];
  /** Changes until the generation wraps; −1 where the era has none. */
  readonly generationsToWrap: number;
}
