/**
 * What the engine shows: immutable snapshots, each stamped with the moment it belongs to. Addresses and 64-bit values are
 * bigints here (structured clone carries them); JSON writers print them as hex strings.
 */
import type { EntryField } from '../base/entry-field.ts';
import type { HostPages } from '../base/host-pages.ts';
import type { MachineOptions } from './requests.ts';
import type { BreakpointEvent } from './breakpoint-snapshots.ts';
import type { AccessKind, Era, MmuMode } from '../base/machine-modes.ts';
import type { MmioOutcome } from '../base/mmio-outcomes.ts';
import type { VcpuCounter, VmCounter } from '../base/counters.ts';

export type * from './breakpoint-snapshots.ts';
export type * from './held-update.ts';
export type * from './memslot-snapshots.ts';
export type * from './mmio-snapshots.ts';
export type * from './race-snapshots.ts';

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

export type AddressSpace = 'gva' | 'gpa' | 'hva';

/** A run of bytes of one nature. `bytes` is present only where bytes exist; nothing is ever invented. */
export type MemorySpan =
  | { readonly kind: 'bytes'; readonly offset: number; readonly length: number; readonly bytes: Uint8Array }
  /** A device answers here; `bytes` are what it peeks (no side effects), when it can. */
  | {
      readonly kind: 'mmio';
      readonly offset: number;
      readonly length: number;
      readonly device: string | undefined;
      readonly bytes: Uint8Array | undefined;
    }
  | { readonly kind: 'unreadable'; readonly offset: number; readonly length: number; readonly reason: string };

export interface MemorySnapshot {
  readonly moment: Moment;
  readonly space: AddressSpace;
  readonly address: bigint;
  /** Contiguous, in order, covering the asked length. */
  readonly spans: readonly MemorySpan[];
}

export interface DisassembledInsn {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** Empty text never occurs: undecodable bytes read `(bad)`, unreadable ones carry `unreadable`. */
  readonly text: string;
  readonly unreadable: boolean;
  /** `symbol+offset` of the address when it starts a symbol or the line is the first shown. */
  readonly symbol: string | undefined;
  /** What the memory operand would touch if the instruction ran now (only for the one at rip). */
  readonly touches: string | undefined;
  readonly current: boolean;
  readonly breakpoint: number | undefined;
}

export interface DisassemblySnapshot {
  readonly moment: Moment;
  readonly lines: readonly DisassembledInsn[];
}

export interface SymbolMatch {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
}

export interface SptePageSnapshot {
  /** Index in the shadow page pool. */
  readonly index: number;
  readonly hpa: number;
  readonly gfn: number;
  readonly level: number;
  readonly role: number;
  readonly roleText: string;
  readonly direct: boolean;
  readonly rootCount: number;
  readonly obsolete: boolean;
  readonly invalid: boolean;
  readonly unsync: boolean;
  readonly mmioCached: boolean;
  readonly present: number;
  readonly mmioFresh: number;
  readonly mmioStale: number;
  /** Parent's page index and the entry in it, −1 for a root. */
  readonly parent: number;
}

export type SpteKind = 'mmio' | 'leaf' | 'large' | 'link' | 'empty';

export interface SpteRow {
  readonly page: number;
  readonly entry: number;
  /** "Address" of the spte: its hpa. */
  readonly sptep: number;
  readonly level: number;
  readonly gfn: number;
  readonly value: bigint;
  readonly kind: SpteKind;
  /** Generation in an MMIO spte, −1 otherwise. */
  readonly gen: number;
  readonly stale: boolean;
  readonly writable: boolean;
  /** Access bits in the role's own words: 'rwx', 'wu-' … */
  readonly access: string;
}

export interface SpteTable {
  readonly moment: Moment;
  /** Rows that match, of which `rows` is the window asked for. */
  readonly total: number;
  /** Lowest and highest gfn of those that match; undefined when none does. */
  readonly gfns: { readonly first: number; readonly last: number } | undefined;
  readonly offset: number;
  readonly rows: readonly SpteRow[];
}

export interface DecodedSpte {
  readonly value: bigint;
  readonly era: string;
  readonly mmu: MmuMode;
  readonly maxPhyAddr: number;
  readonly kind: 'mmio' | 'present' | 'nonpresent' | 'special';
  /** Present for MMIO sptes of eras with a generation. */
  readonly gen: number | undefined;
  readonly gfn: bigint | undefined;
  /** Access kept in the spte: any of 'w', 'u'; '' when none. */
  readonly access: string | undefined;
  readonly fields: readonly EntryField[];
  /** Sentences: known encoding bugs of the era, bits that should be zero, and so on. */
  readonly notes: readonly string[];
}

/** A register of a device as it stands; looking at it changed nothing. */
export interface DeviceRegister {
  readonly name: string;
  readonly value: number;
  /** Hexadecimal digits that it has. */
  readonly digits: number;
  readonly meaning: string;
}

export interface DeviceAccess {
  readonly space: 'port' | 'mmio';
  readonly isWrite: boolean;
  readonly address: bigint;
  readonly size: number;
  readonly value: bigint;
  /** Instructions that had retired. */
  readonly insns: number;
}

export interface DeviceSnapshot {
  readonly name: string;
  readonly ranges: readonly { readonly space: 'port' | 'mmio'; readonly first: bigint; readonly last: bigint }[];
  /** Its line at the interrupt controllers. */
  readonly irq: number | undefined;
  /** The last one; of MMIO, the last that the fault log still has. */
  readonly lastAccess: DeviceAccess | undefined;
  readonly groups: readonly { readonly title: string; readonly registers: readonly DeviceRegister[] }[];
}

/** The sixteen lines of the two 8259s. */
export interface InterruptLine {
  readonly irq: number;
  readonly device: string | undefined;
  readonly vector: number;
  readonly isHigh: boolean;
  readonly isRequested: boolean;
  readonly isMasked: boolean;
  readonly isInService: boolean;
  readonly isLevel: boolean;
}

export interface DevicesSnapshot {
  readonly moment: Moment;
  readonly devices: readonly DeviceSnapshot[];
  readonly lines: readonly InterruptLine[];
}

/** A kernel log, line by line: what is known of it, and how much is not. */
export interface SpteLog {
  readonly recognised: number;
  /** The first of those recognised. */
  readonly lines: readonly SpteLogLine[];
  readonly unknown: number;
  readonly firstUnknown: readonly { readonly line: number; readonly text: string }[];
  readonly blank: number;
  readonly isCut: boolean;
}

export interface SpteLogLine {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** The kernel's print that it is. */
  readonly print: string;
  readonly says: string;
  readonly sptes: readonly {
    readonly decoded: DecodedSpte;
    readonly level: number | undefined;
    /** 'old', 'new'; 'written' for the value that the line does not print but says how to make. */
    readonly part: string | undefined;
  }[];
  /** What does not go together for the chosen era. */
  readonly findings: readonly string[];
}

export interface GenerationEvent {
  readonly insns: number;
  readonly kind: 'create' | 'delete' | 'move' | 'flags' | 'set' | 'zap';
  readonly slot: number;
  readonly before: number;
  readonly after: number;
  readonly text: string;
}

export interface GenerationSnapshot {
  readonly moment: Moment;
  readonly mask: number;
  readonly wrapAt: number;
  /** By how much a table that is installed moves the memslots generation: 2 from 3.17 on. */
  readonly perInstall: number;
  readonly mmioSptesFresh: number;
  readonly mmioSptesStale: number;
  readonly events: readonly GenerationEvent[];
}

export interface StatsSnapshot {
  readonly moment: Moment;
  readonly vcpu: Readonly<Record<VcpuCounter, number>>;
  readonly vm: Readonly<Record<VmCounter, number>>;
  readonly usedMmuPages: number;
  readonly maxMmuPages: number;
  /** Guest instructions per second of host time over the last while, 0 when paused. */
  readonly insnsPerSecond: number;
  readonly mmioPerSecond: number;
}

export interface TraceLine {
  readonly seq: number;
  readonly insns: number;
  readonly vcpu: number;
  readonly event: string;
  readonly text: string;
}

export interface TraceSnapshot {
  readonly moment: Moment;
  readonly total: number;
  readonly missed: number;
  readonly lines: readonly TraceLine[];
}

/** A piece of the trace as text. */
export interface TraceExport {
  /** Running number to go on from. */
  readonly next: number;
  /** Records that were overwritten before they could be exported. */
  readonly missed: number;
  readonly text: string;
}

/** The value of an expression. */
export interface ExpressionSnapshot {
  readonly moment: Moment;
  /** The expression with the parentheses that C's precedence puts into it. */
  readonly understood: string;
  /** 64 bits, unsigned whatever the sign. */
  readonly value: bigint;
  /** Whether it counts as signed (C's rules at 64 bits). */
  readonly signed: boolean;
  /** For people: decimal when signed or small, else hexadecimal. */
  readonly text: string;
}

/** Where an expression is wrong. */
export interface ExpressionRefusal {
  /** Which of several texts: of a breakpoint its condition or its log text. */
  readonly part: 'expression' | 'condition' | 'log';
  /** Counted from 1, in UTF-16 units. */
  readonly column: number;
  readonly length: number;
  readonly message: string;
}

export interface VgaSnapshot {
  readonly moment: Moment;
  readonly columns: number;
  readonly rows: number;
  /** columns × rows × 2 bytes: character, attribute. */
  readonly cells: Uint8Array;
  readonly cursor: number;
}

/** How far the saving or opening of a machine state has come, in pages of the machine. */
export interface StateProgress {
  readonly pagesDone: number;
  /** 0 while it is not known yet. */
  readonly pages: number;
}

export interface StatePiece extends StateProgress {
  /** At most MAX_STATE_PIECE; none: the state is complete. */
  readonly bytes: Uint8Array | undefined;
}

/** A machine that came out of a state: how it stands, and what it would be made from anew. */
export interface OpenedState {
  readonly status: MachineStatus;
  readonly image: Uint8Array<ArrayBuffer>;
  readonly name: string;
  readonly options: MachineOptions;
}
