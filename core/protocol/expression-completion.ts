/** Names that may stand where somebody writes an expression (docs/expressions.md). */
import * as v from 'valibot';
import { BREAKPOINT_KIND_NAMES } from './breakpoint-kinds.ts';

const MAX_TEXT = 4096;

export const expressionCompleteSchema = v.strictObject({
  /** Of the breakpoint that it is for; none: there is no event. */
  kind: v.optional(v.picklist(BREAKPOINT_KIND_NAMES)),
  part: v.picklist(['expression', 'condition', 'log']),
  text: v.pipe(v.string(), v.maxLength(MAX_TEXT)),
  /** Where the caret stands, in UTF-16 units from 0. */
  at: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_TEXT)),
});

export interface ExpressionCandidate {
  readonly text: string;
  /** A few words, or nothing. */
  readonly meaning: string;
}

export interface ExpressionCompletion {
  /** A candidate takes the place of the text from here to the caret. */
  readonly from: number;
  readonly candidates: readonly ExpressionCandidate[];
}
