/** Shadow pages, their sptes, and what a kernel log says of them. */
import type { EntryField } from '../base/entry-field.ts';
import type { MmuMode } from '../base/machine-modes.ts';
import type { Moment } from './machine-snapshots.ts';

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
  /** Asked in pieces and not ready yet: nothing else here says anything. */
  readonly isPending: boolean;
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
