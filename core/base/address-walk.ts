/**
 * What the walk of one address through both trees finds: the guest's page tables and the tables that the hardware walks
 * below them (EPT, NPT or shadow). The kernel storey makes it (core/kvm/probe/probe-walk.ts), the contract carries it, people read
 * it; so its shape stands on the ground floor.
 */
import type { EntryField } from './entry-field.ts';
import type { AccessKind } from './machine-modes.ts';
import type { MmioOutcome } from './mmio-outcomes.ts';

/** A rule that failed, as a sentence, and where it is written: a section of a manual or a function of the kernel. */
export interface WalkRule {
  readonly text: string;
  readonly source: string;
  /** Level of the entry that broke it; undefined when the address alone did. */
  readonly level: number | undefined;
}

/** kvm_mmu_page of the table that an spte stands in. */
export interface WalkShadowPage {
  readonly index: number;
  readonly gfn: number;
  /** v3.11's bits. */
  readonly role: number;
  readonly unsync: boolean;
  readonly obsolete: boolean;
}

/** Of an MMIO spte: whose it is, and what the next fault on it comes to. */
export interface WalkMmioSpte {
  readonly gfn: number;
  /** −1 in an era without generations. */
  readonly gen: number;
  readonly kvmGen: number;
}

/** An entry of a table that the hardware walks below the guest's. */
export interface SecondLevelEntry {
  /** 4 = root … 1. */
  readonly level: number;
  /** Where it lies: an arena offset, and KVM's "address" of the spte. */
  readonly sptep: number;
  readonly value: bigint;
  readonly leaf: boolean;
}

/** Where a walk of the second level leads. */
export interface SecondLevelTranslation {
  readonly kind: 'none' | 'ept' | 'npt' | 'shadow';
  /** Arena offset of the byte, when an access of this kind would reach it. */
  readonly hpa: number | undefined;
  /** Bytes that the leaf maps, when there is one. */
  readonly pageSize: number | undefined;
}

export interface WalkHostEntry extends SecondLevelEntry {
  /** What the entries so far allow together: `rwx` of EPT, `wux` of page tables. */
  readonly rights: string;
  /** mmio, present, nonpresent or special, as the era reads it. */
  readonly kind: 'mmio' | 'present' | 'nonpresent' | 'special';
  readonly fields: readonly EntryField[];
  readonly notes: readonly string[];
  /** Undefined for the four entries of pae_root, which belong to the vCPU. */
  readonly page: WalkShadowPage | undefined;
  readonly mmio: WalkMmioSpte | undefined;
}

/** The second level's entries on the way to a guest table; decoded where the guest's access itself goes, not here. */
export interface WalkStage {
  readonly entries: readonly (SecondLevelEntry & Pick<WalkHostEntry, 'rights'>)[];
  readonly hpa: number | undefined;
  readonly rule: WalkRule | undefined;
}

export interface WalkGuestEntry {
  /** 4 = PML4E … 1 = PTE. */
  readonly level: number;
  readonly name: string;
  /** Where the entry lies; undefined for a PDPTE register. */
  readonly gpa: bigint | undefined;
  readonly value: bigint;
  readonly leaf: boolean;
  /** `wux` of the entries so far. */
  readonly rights: string;
  readonly fields: readonly EntryField[];
  /** A and D bits that the access would set: '', 'A', 'D' or 'A D'. */
  readonly marks: string;
  /** How the hardware gets at the entry; undefined where KVM reads guest tables, which goes through memslots. */
  readonly stage: WalkStage | undefined;
}

export interface WalkGuestTree {
  readonly mode: 'none' | '32-bit' | 'pae' | '4-level';
  readonly levels: readonly WalkGuestEntry[];
  /** Where the tables lead, when a leaf was found: also when the access itself is not allowed. */
  readonly gpa: bigint | undefined;
  readonly pageSize: number | undefined;
  readonly rights: string;
  readonly rule: WalkRule | undefined;
  /** Of the #PF that the rule means. */
  readonly errorCode: number | undefined;
}

export interface WalkHostTree extends SecondLevelTranslation {
  /** What is looked up: a gpa, or under the shadow MMU a gva. */
  readonly address: bigint;
  readonly levels: readonly WalkHostEntry[];
  readonly rule: WalkRule | undefined;
  /** KVM_REQ_MMU_RELOAD is pending or no root is loaded: the vCPU gets new roots before it enters the guest again. */
  readonly reload: boolean;
}

export type WalkEndKind =
  | 'tlb-fill'
  | 'general-protection'
  | 'guest-page-fault'
  | 'ept-violation'
  | 'ept-misconfiguration'
  | 'nested-page-fault'
  | 'shadow-page-fault'
  | 'reload'
  | 'outside-host-memory';

/** What the hardware does when the access is made. */
export interface WalkEnd {
  readonly kind: WalkEndKind;
  /** Exit qualification, or the error code; undefined where there is none. */
  readonly code: bigint | undefined;
  /** The gpa of the exit (a guest table's, when the walker met it there). */
  readonly gpa: bigint | undefined;
  readonly text: string;
  readonly source: string;
}

export type WalkKvmAction =
  | 'inject-page-fault'
  | 'emulate'
  /** It is to be emulated, and the emulator cannot fetch it: KVM_RUN ends with an internal error. */
  | 'fetch-fails'
  | 'map'
  | 'map-and-emulate'
  | 'fast-page-fault'
  | 'retry'
  | 'efault'
  | 'bug';

/** What KVM makes of the exit. */
export interface WalkKvm {
  readonly action: WalkKvmAction;
  /** When it is an MMIO fault: what it comes to, with the generations that decide. */
  readonly mmio: { readonly outcome: MmioOutcome; readonly spteGen: number; readonly kvmGen: number } | undefined;
  readonly text: string;
  readonly source: string;
}

export interface AddressWalk {
  readonly vcpu: number;
  readonly space: 'gva' | 'gpa';
  readonly address: bigint;
  readonly access: AccessKind;
  readonly user: boolean;
  /** Undefined for a walk that begins at a gpa. */
  readonly guest: WalkGuestTree | undefined;
  /** Undefined when the guest's tables lead nowhere. */
  readonly host: WalkHostTree | undefined;
  /** The TLB holds the translation (arena offset of the byte): the access takes it from there and nothing is walked. */
  readonly tlb: number | undefined;
  readonly end: WalkEnd;
  /** Undefined when the hardware needs no help. */
  readonly kvm: WalkKvm | undefined;
}
