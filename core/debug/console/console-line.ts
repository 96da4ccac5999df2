/** A line of the console taken apart: the command's name, its format behind a slash, words. Text in quotation marks is one word. */
import { err, ok, type Result } from '../../base/result.ts';
import { MAX_CONSOLE_CHARACTERS, type ConsoleRefusal } from '../../protocol/console.ts';
import type { ConsoleArguments, ConsoleWord } from './console-command.ts';

export interface ConsoleLine extends ConsoleArguments {
  /** Empty when the line is. */
  readonly name: string;
  readonly nameAt: number;
}

const NAME = /^\s*([a-z][a-z0-9-]*|\?)?(?:\/([0-9a-z]*))?\s*/i;

/** Characters that no line can hold, tabs apart: they would do things to a terminal. */
const CONTROL = /(?!\t)\p{Cc}/u;

export function parseConsoleLine(line: string): Result<ConsoleLine, ConsoleRefusal> {
  if (line.length > MAX_CONSOLE_CHARACTERS) {
    const message = `a line has ${MAX_CONSOLE_CHARACTERS} characters at most, and this one ${line.length}.`;
    return err({ errno: 'E2BIG', message });
  }
  const control = line.search(CONTROL);
  if (control >= 0)
    return err({ errno: 'EINVAL', message: 'a line holds no control characters.', at: control, length: 1 });
  const head = NAME.exec(line);
  const name = head?.[1] ?? '';
  const at = head?.[0].length ?? 0;
  const nameAt = line.length - line.trimStart().length;
  const text = line.slice(at).trimEnd();
  if (name === '' && (text !== '' || head?.[2] !== undefined)) {
    const message = 'a line begins with the name of a command; help lists them.';
    return err({ errno: 'EINVAL', message, at: nameAt, length: Math.max(1, line.trim().length) });
  }
  return ok({ name: name.toLowerCase(), nameAt, format: head?.[2] ?? '', text, at, words: wordsOf(text, at) });
}

/** A quotation mark that is not closed reaches to the end of the line. */
export const wordsOf = (text: string, at: number): readonly ConsoleWord[] =>
  Array.from(text.matchAll(/"(?:[^"\\]|\\.)*"?|[^\s"]+/g), (match) => ({ text: match[0], at: at + match.index }));

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '0': '\0',
  e: '\u001b',
  '"': '"',
  '\\': '\\',
};

/** `"ls\n"`: the text between the marks, C's escapes done. Undefined when it is no text in quotation marks. */
export function unquote(word: string): string | undefined {
  const match = /^"((?:[^"\\]|\\.)*)"$/s.exec(word);
  if (match === null) return undefined;
  let isGood = true;
  const text = match[1].replaceAll(/\\(?:x([0-9a-f]{2})|(.))/gis, (_whole, hex: string | undefined, letter: string) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (!Object.hasOwn(ESCAPES, letter)) isGood = false;
    return ESCAPES[letter] ?? '';
  });
  return isGood ? text : undefined;
}
