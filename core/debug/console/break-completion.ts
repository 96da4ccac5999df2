/** What may stand at the cursor of a breakpoint that somebody is typing: kinds, places, options, and names of its expressions. */
import { breakOptionWords, BREAK_SPEC_KINDS, parseBreakSpec } from '../../format/break-spec.ts';
import { BREAKPOINT_KINDS, EXCEPTION_NAMES } from '../../protocol/breakpoint-kinds.ts';
import type { ConsoleContext } from './console-command.ts';

/** Kinds whose place may be a symbol. */
const AT_SYMBOLS: ReadonlySet<string> = new Set(['exec', 'data']);

export function completeBreak(context: ConsoleContext, words: readonly string[]): readonly string[] {
  const [spec, ...behind] = words;
  const word = words.at(-1) ?? '';
  if (behind.length > 0) return completeExpressions(context, spec, behind.slice(0, -1), word);
  const parts = word.split(':');
  const [kind] = parts;
  if (parts.length === 1) return [...BREAK_SPEC_KINDS.map((one) => `${one}:`), ...context.values.names(word)];
  if (!BREAK_SPEC_KINDS.includes(kind)) return [];
  const before = parts.slice(0, -1).join(':');
  const candidates = parts.length === 2 ? placesOf(context, kind, parts[1]) : breakOptionWords(kind);
  return candidates.map((candidate) => `${before}:${candidate}`);
}

function placesOf({ ask, values }: ConsoleContext, kind: string, typed: string): readonly string[] {
  if (AT_SYMBOLS.has(kind)) return [...values.names(typed), 'gpa@'];
  if (kind === 'exception') {
    // Several, with commas between them.
    const before = typed.slice(0, typed.lastIndexOf(',') + 1);
    const names = EXCEPTION_NAMES.filter((name) => !/^[0-9]/.test(name));
    return ['any', ...names.map((name) => `${before}${name.replace('#', '').toLowerCase()}`)];
  }
  if (kind !== 'memslot') return ['any'];
  const read = ask('memslots.read', {});
  return ['any', ...(read.ok ? read.value.slots.map(({ id }) => String(id)) : [])];
}

/** Behind the breakpoint itself: `if EXPR`, `log TEXT {EXPR}`, with the fields of its event. */
function completeExpressions(
  { values }: ConsoleContext,
  spec: string,
  behind: readonly string[],
  word: string,
): readonly string[] {
  const keywords = ['if', 'log'].filter((keyword) => !behind.includes(keyword));
  if (behind.length === 0) return keywords;
  const wish = parseBreakSpec(/^[a-z][a-z-]*:/i.test(spec) ? spec : `exec:${spec}`);
  const fields = wish.ok ? BREAKPOINT_KINDS[wish.value.spec.kind].fields.map(({ name }) => `event.${name}`) : [];
  const part = /[a-z_.$][\w.$]*$/i.exec(word)?.[0] ?? '';
  return [...keywords, ...fields, ...values.names(part)];
}
