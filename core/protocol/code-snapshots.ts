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
  readonly lines: readonly DisassembledInsn[];
}

export interface SymbolMatch {
  readonly name: string;
  readonly address: bigint;
  readonly size: number;
}
