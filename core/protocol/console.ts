/** What the console carries: a line in, lines out. */
import type { AddressSpace } from './memory-snapshots.ts';
import type { UserMemoryRegion } from './memslot-snapshots.ts';
import type { HiddenSegment } from './register-snapshots.ts';

/** Longer lines are refused. */
export const MAX_CONSOLE_CHARACTERS = 4096;

/** Where nobody says how wide the console is: tables stand side by side. */
export const CONSOLE_COLUMNS = 200;

export interface ConsoleRefusal {
  /** As the kernel would call it: EINVAL for bad usage, ENOENT, EBUSY, a memslot call's own. */
  readonly errno: string;
  /** One sentence. */
  readonly message: string;
  /** What of the line it is about: first character, counted from 0, and how many. */
  readonly at?: number;
  readonly length?: number;
}

/** A change of the machine that the window can make again or take back. */
export type ConsoleEditStep =
  | {
      readonly what: 'register';
      readonly vcpu: number;
      readonly name: string;
      readonly value: bigint;
      readonly hidden?: HiddenSegment | undefined;
      readonly pair?:
        { readonly name: 'cs' | 'ss'; readonly value: bigint; readonly hidden?: HiddenSegment | undefined } | undefined;
    }
  | {
      readonly what: 'memory';
      readonly space: AddressSpace;
      readonly vcpu: number;
      readonly address: bigint;
      readonly bytes: Uint8Array<ArrayBuffer>;
    }
  | { readonly what: 'memslot'; readonly region: UserMemoryRegion };

export interface ConsoleEdit {
  readonly undo: ConsoleEditStep;
  readonly redo: ConsoleEditStep;
}

export interface ConsoleReply {
  /** What the line changed of registers, memory and memslots. */
  readonly edits: readonly ConsoleEdit[];
  readonly lines: readonly string[];
  readonly refusal: ConsoleRefusal | undefined;
  /** The vCPU that the next command is about. */
  readonly vcpu: number;
  /** The command that an empty line stands for now; empty when for none. */
  readonly repeat: string;
  /** The machine stands at its first instruction again. */
  readonly restarted: boolean;
}

export interface ConsoleCompletion {
  /** What of the line a candidate takes the place of, counted from 0. */
  readonly from: number;
  readonly to: number;
  readonly candidates: readonly string[];
  /** There are more than are told. */
  readonly more: boolean;
}
