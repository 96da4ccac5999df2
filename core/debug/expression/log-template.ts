/** The text of a log breakpoint: words, with expressions in braces. `{{` and `}}` are braces. */
import { err, ok, type Result } from '../../base/result.ts';
import type { Scope } from './checker.ts';
import { askExpression, compileExpression, valueText, type CompiledExpression } from './compiled.ts';
import type { Values } from './evaluator.ts';
import { errorAt, MAX_EXPRESSION_CHARACTERS, type ExpressionError } from './syntax.ts';

export interface LogTemplate {
  readonly text: string;
  readonly pieces: readonly (string | CompiledExpression)[];
}

export const MAX_LOG_LINE_CHARACTERS = 2048;

/** Columns of errors count in the whole text. */
export function compileLogTemplate(text: string, scope: Scope): Result<LogTemplate, ExpressionError> {
  if (text.length > MAX_EXPRESSION_CHARACTERS) {
    const message = `a log text has at most ${MAX_EXPRESSION_CHARACTERS} characters, not ${text.length}.`;
    return err(errorAt({ at: MAX_EXPRESSION_CHARACTERS, length: 1 }, message));
  }
  const pieces: (string | CompiledExpression)[] = [];
  let words = '';
  for (let at = 0; at < text.length;) {
    const character = text[at];
    if ((character === '{' || character === '}') && text[at + 1] === character) {
      words += character;
      at += 2;
    } else if (character === '}') {
      return err(errorAt({ at, length: 1 }, 'this brace closes nothing; }} is a brace.'));
    } else if (character === '{') {
      const end = text.indexOf('}', at);
      if (end < 0) return err(errorAt({ at, length: text.length - at }, 'this brace is not closed; {{ is a brace.'));
      const compiled = compileExpression(text.slice(at + 1, end), scope);
      if (!compiled.ok) return err({ ...compiled.error, column: compiled.error.column + at + 1 });
      if (words !== '') pieces.push(words);
      pieces.push(compiled.value);
      words = '';
      at = end + 1;
    } else {
      words += character;
      at += 1;
    }
  }
  if (words !== '') pieces.push(words);
  return ok({ text, pieces });
}

/** One line. What cannot be read is said in its place: a log line does not stop the machine. */
export function fillLogTemplate({ pieces }: LogTemplate, values: Values): string {
  const line = pieces.map((piece) => (typeof piece === 'string' ? piece : answer(piece, values))).join('');
  return line.replaceAll(/[\r\n]+/g, ' ').slice(0, MAX_LOG_LINE_CHARACTERS);
}

function answer(piece: CompiledExpression, values: Values): string {
  const asked = askExpression(piece, values);
  return asked.ok ? valueText(asked.value) : `<${asked.error.message.replace(/\.$/, '')}>`;
}
