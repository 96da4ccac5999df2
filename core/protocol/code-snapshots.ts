/** Instructions and symbols, as panels show them. */
import type { Moment } from './machine-snapshots.ts';

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
  /** Names the code in `lines`, whatever stands beside it: the same number is the same code. One machine's own. */
  readonly listing: number;
  readonly lines: readonly DisassembledInsn[];
}

/** What stands beside the lines of a listing: all that a step changes in code that stays as it is. */
export interface DisassemblyMarks {
  readonly moment: Moment;
  /** Which listing the same question to `disassembly.read` would be answered with. */
  readonly listing: number;
  /** The instruction at rip, where it is one of the listing's. */
  readonly current: { readonly address: bigint; readonly touches: string | undefined } | undefined;
  readonly breakpoints: readonly { readonly address: bigint; readonly id: number }[];
}

export interface SymbolMatch {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
}
