/** An expression ready to be asked: text, tree and meaning. And a value in words. */
import { ok, type Result } from '../../base/result.ts';
import { checkExpression, type Checked, type Scope } from './checker.ts';
import { evaluate, type Values } from './evaluator.ts';
import { parseExpression } from './parser.ts';
import { printExpression } from './printer.ts';
import type { ExpressionError } from './syntax.ts';

export interface CompiledExpression {
  /** As written. */
  readonly text: string;
  /** As understood: with the parentheses that C's precedence puts. */
  readonly understood: string;
  readonly tree: Checked;
}

export interface ExpressionValue {
  /** 64 bits, unsigned. */
  readonly value: bigint;
  readonly signed: boolean;
  /** The word of a field that has words. */
  readonly word: string | undefined;
}

export function compileExpression(text: string, scope: Scope): Result<CompiledExpression, ExpressionError> {
  const parsed = parseExpression(text);
  if (!parsed.ok) return parsed;
  const checked = checkExpression(parsed.value, scope);
  return checked.ok ? ok({ text, understood: printExpression(parsed.value), tree: checked.value }) : checked;
}

export function askExpression({ tree }: CompiledExpression, values: Values): Result<ExpressionValue, ExpressionError> {
  const value = evaluate(tree, values);
  if (!value.ok) return value;
  const word = tree.kind === 'field' ? tree.field.words?.[Number(value.value)] : undefined;
  return ok({ value: value.value, signed: tree.signed, word });
}

/** Signed values and small ones in decimal, others in hexadecimal; a field's word as it is. */
export function valueText({ value, signed, word }: ExpressionValue): string {
  if (word !== undefined) return word;
  if (signed) return String(BigInt.asIntN(64, value));
  return value < 10n ? String(value) : `0x${value.toString(16)}`;
}
