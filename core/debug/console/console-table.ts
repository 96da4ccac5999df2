/** All commands of the console by name, and help. */
import { err, ok, type Result } from '../../base/result.ts';
import { quoteText } from '../../format/integer-text.ts';
import type { ConsoleRefusal } from '../../protocol/console.ts';
import { misused, said, type ConsoleCommand } from './console-command.ts';
import { HOLD_COMMANDS } from './hold-commands.ts';
import { LOG_COMMANDS } from './log-commands.ts';
import { LOOK_COMMANDS } from './look-commands.ts';
import { MEMORY_COMMANDS } from './memory-commands.ts';
import { MMU_COMMANDS } from './mmu-commands.ts';
import { RACE_COMMANDS } from './race-commands.ts';
import { RUN_COMMANDS } from './run-commands.ts';
import { SLOT_COMMANDS } from './slot-commands.ts';
import { STOP_COMMANDS } from './stop-commands.ts';

const FAMILIES: readonly (readonly [title: string, commands: readonly ConsoleCommand[]])[] = [
  ['Running', RUN_COMMANDS],
  ['Stopping', STOP_COMMANDS],
  ['Looking', LOOK_COMMANDS],
  ['Memory', MEMORY_COMMANDS],
  ['Memslots', [...SLOT_COMMANDS, ...HOLD_COMMANDS, ...RACE_COMMANDS]],
  ['The MMU', MMU_COMMANDS],
  ['What has happened', LOG_COMMANDS],
];

/** gdb's `info TOPIC` and QEMU's. */
const TOPICS: ReadonlyMap<string, string> = new Map([
  ['registers', 'regs'],
  ['r', 'regs'],
  ['breakpoints', 'breakpoints'],
  ['b', 'breakpoints'],
  ['break', 'breakpoints'],
  ['threads', 'vcpu'],
  ['cpus', 'vcpu'],
  ['mtree', 'slots'],
  ['status', 'where'],
  ['symbol', 'symbols'],
]);

const usageOf = ({ names, usage }: ConsoleCommand): string =>
  `${names[0]}${usage.startsWith('/') ? '' : ' '}${usage}`.trimEnd();

const help: ConsoleCommand = {
  names: ['help', 'h', '?'],
  usage: '[COMMAND]',
  summary: 'the commands, or one of them',
  run({ columns }, { words }) {
    const [word] = words;
    if (word !== undefined) {
      const found = findCommand(word.text.toLowerCase());
      if (!found.ok) return err({ ...found.error, at: word.at, length: word.text.length });
      const { names, summary, details = [] } = found.value;
      const others = names.length < 2 ? [] : [`also: ${names.slice(1).join(', ')}`];
      return said(usageOf(found.value), `  ${summary}`, ...details.map((line) => `  ${line}`), ...others);
    }
    const width = 34;
    const isNarrow = columns < 2 * width;
    return said(
      ...FAMILIES.flatMap(([title, commands]) => [
        `${title}:`,
        ...commands.map((command) => {
          const usage = usageOf(command);
          if (isNarrow) return `  ${usage}\n      ${command.summary}`;
          return usage.length < width
            ? `  ${usage.padEnd(width)}${command.summary}`
            : `  ${usage}\n${' '.repeat(width + 2)}${command.summary}`;
        }),
      ]).flatMap((line) => line.split('\n')),
      'Names may be cut short as long as they are clear. ADDRESS and EXPR are expressions: help print.',
    );
  },
  complete: (_context, words) => (words.length <= 1 ? COMMANDS.map(({ names }) => names[0]) : []),
};

const info: ConsoleCommand = {
  names: ['info', 'i'],
  usage: 'TOPIC',
  summary: 'gdb’s and QEMU’s words for some commands',
  run(context, { words, text, at }) {
    const [topic, ...more] = words;
    const name = topic === undefined ? undefined : (TOPICS.get(topic.text) ?? topic.text);
    if (topic === undefined || name === undefined) return misused(`say what: ${[...TOPICS.keys()].join(', ')}.`);
    const found = findCommand(name);
    if (!found.ok || found.value === info)
      return misused(`there is nothing about ${quoteText(topic.text)}.`, { at: topic.at, length: topic.text.length });
    const behind = topic.at - at + topic.text.length;
    const rest = text.slice(behind);
    return found.value.run(context, {
      format: '',
      text: rest.trim(),
      at: more[0]?.at ?? at + text.length,
      words: more,
    });
  },
  complete: (_context, words) => (words.length <= 1 ? [...TOPICS.keys()].filter((topic) => topic.length > 1) : []),
};

export const COMMANDS: readonly ConsoleCommand[] = [help, info, ...FAMILIES.flatMap(([, commands]) => commands)];

const BY_NAME: ReadonlyMap<string, ConsoleCommand> = new Map(
  COMMANDS.flatMap((command) => command.names.map((name) => [name, command] as const)),
);

/** A name, or the beginning of exactly one command's names. */
export function findCommand(name: string): Result<ConsoleCommand, ConsoleRefusal> {
  const exact = BY_NAME.get(name);
  if (exact !== undefined) return ok(exact);
  const meant = new Set([...BY_NAME].filter(([each]) => each.startsWith(name)).map(([, command]) => command));
  const [only, ...others] = meant;
  if (only === undefined)
    return err({ errno: 'ENOENT', message: `there is no command ${quoteText(name)}; help lists them.` });
  if (others.length === 0) return ok(only);
  const names = [...meant].map((command) => command.names[0]).join(', ');
  return err({ errno: 'EINVAL', message: `${quoteText(name)} may be ${names}: type more of it.` });
}
