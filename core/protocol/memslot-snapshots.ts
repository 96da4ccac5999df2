/** Memslots as the contract carries them: what there is, what a change does, what is refused. */
import type { Moment } from './machine-snapshots.ts';

export interface MemslotSnapshot {
  readonly id: number;
  readonly gpa: bigint;
  readonly size: bigint;
  readonly hva: bigint;
  readonly logDirtyPages: boolean;
  readonly readonly: boolean;
  readonly invalid: boolean;
  /** Pages set in the dirty bitmap, −1 when the slot does not log. */
  readonly dirtyPages: number;
}

/** A range of guest physical addresses that is no slot but is claimed by a device. */
export interface DeviceRange {
  readonly name: string;
  readonly gpa: bigint;
  readonly size: bigint;
}

export interface MemslotsSnapshot {
  readonly moment: Moment;
  readonly slots: readonly MemslotSnapshot[];
  readonly devices: readonly DeviceRange[];
  readonly userSlots: number;
  /** First hva and bytes of the host user memory that slots can map. */
  readonly hvaBase: bigint;
  readonly hvaBytes: bigint;
}

export interface UserMemoryRegion {
  readonly slot: number;
  /** KVM_MEM_LOG_DIRTY_PAGES 1, KVM_MEM_READONLY 2. */
  readonly flags: number;
  readonly guestPhysAddr: bigint;
  /** Bytes; 0 deletes. */
  readonly memorySize: bigint;
  readonly userspaceAddr: bigint;
}

export type MemslotChange = 'CREATE' | 'DELETE' | 'MOVE' | 'FLAGS_ONLY' | 'NONE';

/** What a change did, or what a preview says it would do. */
export interface MemslotReport {
  readonly change: MemslotChange;
  readonly generationBefore: bigint;
  readonly generationAfter: bigint;
  readonly mmioGenerationBefore: number;
  readonly mmioGenerationAfter: number;
  /** Live MMIO sptes that are fresh before and stale after. */
  readonly mmioSptesGoneStale: number;
  /** Shadow pages zapped by the change. */
  readonly pagesZapped: number;
  /** Shadow pages that the v3.10 walk would have visited for the same change. */
  readonly pagesWalkedBefore: number;
  readonly wrapped: boolean;
}

/** A refused call: errno as the real interface gives it, and what the real one does not say. */
export interface MemslotRefusal {
  readonly errno: string;
  /** Stable identifier of the check that failed, e.g. 'overlap', 'size-unaligned'. */
  readonly check: string;
  /** One sentence that says what is wrong and what to do. */
  readonly message: string;
  readonly collidingSlot: number | undefined;
}

/** What comes of one call of several. After a refusal the rest is not reached. */
export type MemslotOutcome =
  | { readonly kind: 'report'; readonly report: MemslotReport }
  | { readonly kind: 'refusal'; readonly refusal: MemslotRefusal }
  | { readonly kind: 'unreached' };

export interface MemslotsPreview {
  readonly moment: Moment;
  /** One for each region, in their order. */
  readonly outcomes: readonly MemslotOutcome[];
}

export interface MemslotsApplied {
  readonly moment: Moment;
  /** False: one of them would have been refused, so nothing was changed, and the outcomes are those of the trial. */
  readonly applied: boolean;
  readonly outcomes: readonly MemslotOutcome[];
  /** What the trial said right before. */
  readonly promised: readonly MemslotOutcome[];
  /** Calls that take it all back, in order. What a slot's dirty bitmap held does not come back with it. */
  readonly inverse: readonly UserMemoryRegion[];
}
