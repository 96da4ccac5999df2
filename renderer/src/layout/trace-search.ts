/** Words looked for in traces: in names and texts of events, not in tasks and times. */
import type { TraceFile } from '@core/protocol/index.ts';

/** What a reader types: words that a line must hold, in any order. */
export const wordsOf = (filter: string): readonly string[] => filter.toLowerCase().split(/\s+/).filter(Boolean);

export function holdsWords(event: string, text: string, words: readonly string[]): boolean {
  const whole = `${event} ${text}`.toLowerCase();
  return words.every((word) => whole.includes(word));
}

/**
 * The lines of a file that hold all the words. The rarest way to look: through the whole text at once for the first word, and
 * in what is found for the others, so that a quarter of a million lines are searched between two frames.
 * @param lower the file's text in small letters
 */
export function matchingLines({ starts, eventAt }: TraceFile, lower: string, words: readonly string[]): Uint32Array {
  const count = eventAt.length;
  const [first, ...others] = words;
  if (first === undefined) return Uint32Array.from({ length: count }, (_unused, i) => i);
  const found: number[] = [];
  let line = 0;
  for (let at = lower.indexOf(first); at >= 0;) {
    while (line < count && starts[line + 1] <= at) line += 1;
    if (line >= count) break;
    if (at < starts[line] + eventAt[line]) {
      // In the task's name or the time: the line may hold it once more.
      at = lower.indexOf(first, starts[line] + eventAt[line]);
      continue;
    }
    const whole = lower.slice(starts[line] + eventAt[line], starts[line + 1]);
    if (others.every((word) => whole.includes(word))) found.push(line);
    at = lower.indexOf(first, starts[line + 1]);
  }
  return Uint32Array.from(found);
}
