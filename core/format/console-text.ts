/** What the console says around a command: the echo of the line, and a refusal under it. */
import type { ConsoleRefusal } from '../protocol/console.ts';

const MARK = '> ';

export const echoedLine = (line: string): string => `${MARK}${line}`;

/** A caret under what it is about, where it is about a part of the echoed line; then errno and sentence. */
export function refusalLines({ errno, message, at, length = 1 }: ConsoleRefusal): readonly string[] {
  const caret = at === undefined ? [] : [`${' '.repeat(MARK.length + at)}${'^'.repeat(Math.max(1, length))}`];
  return [...caret, `${errno}: ${message}`];
}
