/** Breakpoints as the engine shows them, the events that they are met by, and the lines of those that log. */
import type { MmioOutcome } from '../base/mmio-outcomes.ts';
import type { Moment } from './machine-snapshots.ts';
import type { MemslotChange } from './memslot-snapshots.ts';

/** How `stopAtHit` counts: from the nth hit on, at the nth only, at every nth. */
export type HitMode = 'from' | 'at' | 'every';

export interface BreakpointSnapshot {
  readonly id: number;
  readonly spec: BreakpointSpec;
  readonly enabled: boolean;
  readonly once: boolean;
  /** Times it was met and its condition held. */
  readonly hits: number;
  readonly stopAtHit: number;
  readonly hitMode: HitMode;
  /** An expression (docs/expressions.md), '' for none. */
  readonly condition: string;
  /** With a log text the breakpoint writes a line and does not stop; '' for none. */
  readonly log: string;
  /** Only this vCPU's; undefined = any. */
  readonly vcpu: number | undefined;
  /** Why it cannot work as it is: a symbol that the present image has not. */
  readonly problem: string | undefined;
  /** One line for people. */
  readonly text: string;
}

/** Something that a breakpoint was met by. */
export interface BreakpointEvent {
  readonly kind: BreakpointKind;
  /** A sentence without its full stop: 'write of 4 bytes to gva 0x…: 0x1 → 0x2'. */
  readonly text: string;
  readonly fields: readonly { readonly name: string; readonly value: bigint; readonly word: string | undefined }[];
}

/** A line of a log breakpoint. */
export interface BreakpointLogLine {
  /** Running number since reset. */
  readonly seq: number;
  readonly insns: number;
  readonly vcpu: number;
  readonly breakpoint: number;
  readonly text: string;
}

export interface BreakpointLog {
  readonly moment: Moment;
  readonly total: number;
  /** Lines that were overwritten before they were read. */
  readonly missed: number;
  readonly lines: readonly BreakpointLogLine[];
}

export type BreakpointKind = BreakpointSpec['kind'];

/** Ranges are half-open: `length` bytes from `start` on. */
export type BreakpointSpec =
  /** Instructions that begin in a range, one address unless `length` says more. */
  | {
      readonly kind: 'exec';
      readonly address: bigint;
      readonly symbol?: string | undefined;
      /** 'gva' (linear) unless said. */
      readonly space?: 'gva' | 'gpa' | undefined;
      readonly length?: bigint | undefined;
    }
  | {
      readonly kind: 'data';
      readonly space: 'gva' | 'gpa';
      readonly start: bigint;
      readonly length: bigint;
      readonly access: 'any' | 'read' | 'write';
      readonly symbol?: string | undefined;
    }
  /** Vectors 0 … 31; empty = any. */
  | { readonly kind: 'exception'; readonly vectors: readonly number[] }
  /** A #PF that the guest gets. */
  | {
      readonly kind: 'page-fault';
      readonly start: bigint;
      readonly length: bigint;
      readonly access: 'any' | 'read' | 'write' | 'fetch';
      readonly cause: 'any' | 'not-present' | 'protection' | 'reserved';
      readonly privilege: 'any' | 'user' | 'supervisor';
    }
  | { readonly kind: 'port'; readonly start: number; readonly length: number; readonly access: 'any' | 'in' | 'out' }
  /** An spte that translates part of the gpa range, in one of the bits of `mask`. */
  | {
      readonly kind: 'spte';
      readonly start: bigint;
      readonly length: bigint;
      readonly mask: bigint;
      /** Of the page table that it stands in; any unless said: links of upper levels are sptes, too. */
      readonly level?: number | undefined;
    }
  /** An entry of the guest's own page tables that lies in the gpa range. */
  | { readonly kind: 'gpte'; readonly start: bigint; readonly length: bigint; readonly mask: bigint }
  /** Empty = any change; without `slot` any slot. */
  | {
      readonly kind: 'memslot';
      readonly slot?: number | undefined;
      readonly changes: readonly Exclude<MemslotChange, 'NONE'>[];
    }
  | { readonly kind: 'generation-wrap' }
  /** A shadow page that covers part of the gpa range. */
  | { readonly kind: 'zap'; readonly start: bigint; readonly length: bigint; readonly level?: number | undefined }
  | {
      readonly kind: 'mmio';
      /** Half-open range of guest physical addresses. */
      readonly start: bigint;
      readonly length: bigint;
      readonly access: 'any' | 'read' | 'write';
      /** Empty = any outcome. */
      readonly outcomes: readonly MmioOutcome[];
      /** Whether an MMIO spte was found and its generation is current. */
      readonly freshness: 'any' | 'fresh' | 'stale';
    };
