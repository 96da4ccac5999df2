/** A memslot update held between its steps, from the console (docs/race-lab.md). */
import { parseInteger } from '../../format/integer-text.ts';
import { formatHex } from '../../format/address-text.ts';
import { regionText } from '../../format/memslot-text.ts';
import type { HoldSnapshot } from '../../protocol/snapshots.ts';
import {
  answered,
  misused,
  said,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
  type ConsoleWord,
} from './console-command.ts';

const VERBS = ['step', 'vcpu', 'finish'];

/** Where it stands: every step of the era, those that are done marked; then what was done last. */
export function holdLines({ held, events }: HoldSnapshot, news = events.length): readonly string[] {
  const told = events
    .slice(events.length - news)
    .flatMap(({ what, bugs, memslotsGeneration }) => [
      `${what} [generation ${formatHex(memslotsGeneration)}]`,
      ...bugs.map((bug) => `  strikes: ${bug}`),
    ]);
  if (held === undefined) return [...told, 'no memslot update is held.'];
  const { region, change, call, calls, steps } = held;
  const which = calls > 1 ? ` (call ${call} of ${calls})` : '';
  const marks = steps.map(({ name, isDone }) => `${isDone ? '[x]' : '[ ]'} ${name}`).join('  ');
  return [...told, `${change}${which} of ${regionText(region)}`, marks];
}

const ofNumber = (word: ConsoleWord | undefined, otherwise: number): number | undefined => {
  if (word === undefined) return otherwise;
  const value = parseInteger(word.text);
  return value === undefined || value > 0xffff_ffffn ? undefined : Number(value);
};

/** Only what is new is told. */
function told(
  { ask }: ConsoleContext,
  act: () => ReturnType<typeof ask<'hold.step'>>,
  repeat: string | undefined,
): ConsoleOutcome {
  return answered(ask('hold.read', {}), ({ events: before }) =>
    answered(act(), (after) => ({
      ok: true,
      value: {
        lines: holdLines(after, Math.max(1, after.events.length - before.length)),
        ...(repeat === undefined || after.held === undefined ? {} : { repeat }),
      },
    })),
  );
}

function hold(context: ConsoleContext, words: readonly ConsoleWord[]): ConsoleOutcome {
  const { ask, vcpu: present } = context;
  const [verb, first, second, ...more] = words;
  const wrong = (message: string, word: ConsoleWord | undefined): ConsoleOutcome =>
    misused(message, word && { at: word.at, length: word.text.length });
  if (more.length > 0) return wrong('that is too much.', more[0]);
  switch (verb?.text) {
    case undefined:
      return answered(ask('hold.read', {}), (snapshot) => said(...holdLines(snapshot)));
    case 'step': {
      const steps = ofNumber(first, 1);
      if (steps === undefined || second !== undefined)
        return wrong('hold step takes a number of steps.', second ?? first);
      return told(context, () => ask('hold.step', { steps }), 'hold step');
    }
    case 'vcpu': {
      const vcpu = ofNumber(first, present);
      const toExit = second?.text === 'exit';
      const insns = toExit ? undefined : ofNumber(second, 1);
      if (vcpu === undefined) return wrong('hold vcpu takes the number of a vCPU.', first);
      if (insns === undefined && !toExit) return wrong("it takes a number of instructions, or 'exit'.", second);
      const repeat = `hold vcpu ${vcpu}${second === undefined ? '' : ` ${second.text}`}`;
      return told(context, () => ask('hold.vcpu', { vcpu, ...(insns === undefined ? {} : { insns }) }), repeat);
    }
    case 'finish':
      if (first !== undefined) return wrong('hold finish takes nothing.', first);
      return told(context, () => ask('hold.finish', {}), undefined);
    default:
      return wrong(`hold takes ${VERBS.join(', ')}; slots hold CALL begins one.`, verb);
  }
}

export const HOLD_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['hold'],
    usage: '[step [N] | vcpu N [INSNS|exit] | finish]',
    summary: 'a memslot update that stands between two of its steps, and chosen vCPUs meanwhile',
    details: [
      'slots hold add slot=5 gpa=0xe0000000 size=4K hva=ram   begins one: nothing is published yet.',
      'hold            where it stands: installed, drained, flushed … in the order of the era',
      'hold step       the next step; behind the last one the call has returned',
      'hold vcpu 0     one instruction of vCPU 0, all others standing; hold vcpu 0 exit: up to its next exit',
      'hold finish     the steps that are left',
      'Meanwhile everything can be looked at; what takes slots_lock, and running freely, is refused.',
    ],
    run: (context, { words }) => hold(context, words),
    complete({ ask }, words) {
      if (words.length <= 1) return VERBS;
      if (words[0] !== 'vcpu') return [];
      const status = ask('machine.status', {});
      return words.length === 2 ? (status.ok ? status.value.vcpus.map(({ id }) => String(id)) : []) : ['exit'];
    },
  },
];
