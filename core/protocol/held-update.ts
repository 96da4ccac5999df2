/** A memslot update that is held between its steps, as the contract carries it. */
import type { MemslotReport, MemslotChange, UserMemoryRegion } from './memslot-snapshots.ts';
import type { Moment } from './machine-snapshots.ts';

export interface HeldStep {
  /** A step of KVM_SET_USER_MEMORY_REGION: `installed`, `drained` …; what has happened when it is done. */
  readonly name: string;
  readonly isDone: boolean;
}

/** The call that is being made, of a list of calls. */
export interface HeldUpdate {
  readonly region: UserMemoryRegion;
  readonly change: MemslotChange;
  /** Counted from 1. */
  readonly call: number;
  readonly calls: number;
  readonly steps: readonly HeldStep[];
}

/** Something that was done while the update was held. */
export interface HoldEvent {
  readonly insns: number;
  readonly what: string;
  /** Known bugs of KVM that struck meanwhile, by name. */
  readonly bugs: readonly string[];
  readonly memslotsGeneration: bigint;
}

export interface HoldSnapshot {
  readonly moment: Moment;
  /** Undefined when none is held (any more). */
  readonly held: HeldUpdate | undefined;
  /** Of this update, or of the last one when none is held. */
  readonly events: readonly HoldEvent[];
  /** Calls of it that have returned. */
  readonly reports: readonly MemslotReport[];
  /** Calls that take the returned ones back. */
  readonly inverse: readonly UserMemoryRegion[];
}
