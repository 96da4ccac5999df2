/** One line of the console carried out, or what could stand at the cursor. Long output is cut, and says so. */
import type { ConsoleCompletion, ConsoleRefusal, ConsoleReply } from '../../protocol/console.ts';
import { CONSOLE_COLUMNS, MAX_CONSOLE_CHARACTERS } from '../../protocol/console.ts';
import type { Session } from '../session.ts';
import { consoleEdits } from './console-edits.ts';
import type { ConsoleContext } from './console-command.ts';
import { parseConsoleLine, wordsOf } from './console-line.ts';
import { COMMANDS, findCommand } from './console-table.ts';
import { consoleValues } from './console-values.ts';

const MAX_LINES = 2000;
const MAX_CANDIDATES = 200;

const contextOf = (session: Session, vcpu: number, columns = CONSOLE_COLUMNS): ConsoleContext => ({
  ask: session.answer,
  vcpu,
  columns,
  edits: consoleEdits(session.answer),
  values: consoleValues(session, vcpu),
});

export function runConsoleLine(session: Session, line: string, vcpu: number, columns: number): ConsoleReply {
  const refuse = (refusal: ConsoleRefusal): ConsoleReply => ({
    lines: [],
    refusal,
    vcpu,
    repeat: '',
    restarted: false,
    edits: [],
  });
  const parsed = parseConsoleLine(line);
  if (!parsed.ok) return refuse(parsed.error);
  const { name, nameAt } = parsed.value;
  if (name === '') return { lines: [], refusal: undefined, vcpu, repeat: '', restarted: false, edits: [] };
  const command = findCommand(name);
  if (!command.ok) return refuse({ at: nameAt, length: name.length, ...command.error });
  const context = contextOf(session, vcpu, columns);
  const done = command.value.run(context, parsed.value);
  const edits = context.edits.made;
  if (!done.ok) return { ...refuse(done.error), edits };
  const { lines, repeat = '', restarted = false } = done.value;
  const shown =
    lines.length <= MAX_LINES ? lines : [...lines.slice(0, MAX_LINES), `… and ${lines.length - MAX_LINES} more lines`];
  return { lines: shown, refusal: undefined, vcpu: done.value.vcpu ?? vcpu, repeat, restarted, edits };
}

/** @param cursor how many characters of the line stand before it; what stands behind is left as it is */
export function completeConsoleLine(session: Session, line: string, cursor: number, vcpu: number): ConsoleCompletion {
  const typed = line.slice(0, Math.min(cursor, MAX_CONSOLE_CHARACTERS));
  const words = wordsOf(typed, 0);
  const isNew = typed === '' || /\s$/.test(typed);
  const last = isNew ? '' : (words.at(-1)?.text ?? '');
  const none: ConsoleCompletion = { from: typed.length, to: typed.length, candidates: [], more: false };
  const [first] = words;
  if (first === undefined || (words.length === 1 && !isNew)) {
    return offered(
      typed,
      last,
      COMMANDS.map(({ names }) => names[0]),
    );
  }
  const command = findCommand(first.text.toLowerCase().replace(/\/.*$/s, ''));
  if (!command.ok) return none;
  const args = words.slice(1).map(({ text }) => text);
  const candidates = command.value.complete?.(contextOf(session, vcpu), isNew ? [...args, ''] : args) ?? [];
  const whole = offered(typed, last, candidates);
  if (whole.candidates.length > 0) return whole;
  // Within a word: rip=ma, gpa:rs, 8+rs.
  const part = /[a-z_.$][\w.$]*$/i.exec(last)?.[0] ?? '';
  return part === last || part === '' ? none : offered(typed, part, candidates);
}

function offered(typed: string, part: string, candidates: readonly string[]): ConsoleCompletion {
  const found = [...new Set(candidates)].filter((each) => each.startsWith(part) && each !== part).toSorted();
  const from = typed.length - part.length;
  return { from, to: typed.length, candidates: found.slice(0, MAX_CANDIDATES), more: found.length > MAX_CANDIDATES };
}
