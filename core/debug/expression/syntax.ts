/** An expression as it was written, and how its errors point at it. docs/expressions.md is the language's page. */

export const MAX_EXPRESSION_CHARACTERS = 1024;
/** Nodes above each other in a tree: bounds the recursion of everything that walks it. */
export const MAX_EXPRESSION_DEPTH = 64;

export interface ExpressionError {
  /** Counted from 1, in characters of the text (UTF-16 units, as editors count). */
  readonly column: number;
  /** Characters that the error is about; at least 1. */
  readonly length: number;
  /** One sentence. */
  readonly message: string;
}

/** Where a node stands in the text: offset of its first character and its length. */
export interface Span {
  readonly at: number;
  readonly length: number;
}

export const UNARY_OPERATORS = ['!', '~', '-', '+'] as const;
export type UnaryOperator = (typeof UNARY_OPERATORS)[number];

/** By how strongly they bind: C's precedence, the loosest first. */
export const BINARY_LEVELS = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!='],
  ['<', '<=', '>', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
] as const;
export type BinaryOperator = (typeof BINARY_LEVELS)[number][number];

/** `spte`: the tables of KVM's shadow pages, by host physical address, as `event.sptep` names their entries. */
export const SPACES = ['gva', 'gpa', 'hva', 'spte'] as const;
export type Space = (typeof SPACES)[number];

/** Names of widths: a memory access with brackets behind it, a conversion with parentheses. */
export const WIDTHS = ['u8', 'u16', 'u32', 'u64', 's8', 's16', 's32', 's64'] as const;
export type Width = (typeof WIDTHS)[number];

export type Expression =
  | (Span & { readonly kind: 'number'; readonly value: bigint })
  /** A word in quotation marks: a value of an event's field. */
  | (Span & { readonly kind: 'word'; readonly word: string })
  /** A register, a symbol, a counter; `sigil`: `$name` is a register and nothing else, `` `name` `` a symbol. */
  | (Span & { readonly kind: 'name'; readonly name: string; readonly sigil: 'none' | 'register' | 'symbol' })
  /** `event.gpa`, `rflags.zf`. */
  | (Span & { readonly kind: 'member'; readonly object: string; readonly member: string; readonly memberAt: number })
  | (Span & {
      readonly kind: 'memory';
      readonly width: Width;
      readonly space: Space;
      readonly address: Expression;
    })
  | (Span & { readonly kind: 'convert'; readonly width: Width; readonly operand: Expression })
  | (Span & { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression })
  | (Span & {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    })
  | (Span & {
      readonly kind: 'choice';
      readonly condition: Expression;
      readonly whenTrue: Expression;
      readonly whenFalse: Expression;
    });

export const errorAt = ({ at, length }: Span, message: string): ExpressionError => ({
  column: at + 1,
  length: Math.max(1, length),
  message,
});

export const bitsOf = (width: Width): number => Number(width.slice(1));
export const isSigned = (width: Width): boolean => width.startsWith('s');
