/** What came of an expression: its value, or where it is wrong. */
import type { Moment } from './machine-snapshots.ts';

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
