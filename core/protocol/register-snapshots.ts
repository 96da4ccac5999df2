/** A vCPU's registers as the contract has them. */
import type { Moment } from './machine-snapshots.ts';

export interface RegisterValue {
  /** rax … r15, rip, rflags, es … tr (selectors), fs_base, gs_base, cr0 …, efer, dr0 …, gdtr_base …, star … */
  readonly name: string;
  readonly group: 'general' | 'segment' | 'control' | 'msr' | 'debug';
  readonly bits: number;
  readonly value: bigint;
  /** Names of the set bits, for flag-like registers: ['PE', 'PG']. */
  readonly flags: readonly string[] | undefined;
  readonly writable: boolean;
  /** Of a segment register: what the processor has beside the selector. */
  readonly hidden?: HiddenSegment | undefined;
}

/** The hidden part of a segment register (struct kvm_segment without its selector). */
export interface HiddenSegment {
  readonly base: bigint;
  /** In bytes. */
  readonly limit: number;
  /** Bits 40–55 of the descriptor, the limit's nibble zero: type, S, DPL, P, AVL, L, D/B, G; bit 16: unusable. */
  readonly attributes: number;
}

export interface RegistersSnapshot {
  readonly moment: Moment;
  readonly vcpu: number;
  readonly registers: readonly RegisterValue[];
}
