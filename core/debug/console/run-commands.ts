/** Going on, standing still, and where one stands. Nothing here waits: a machine that runs on says so and is heard of by events. */
import { ok } from '../../base/result.ts';
import { parseIntegerIn } from '../../format/integer-text.ts';
import type { MachineStatus } from '../../protocol/snapshots.ts';
import { stopReport } from '../run/stop-report.ts';
import {
  answered,
  misused,
  said,
  type ConsoleArguments,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
} from './console-command.ts';

const MAX_STEPS = 1_000_000;

/** Where the machine stands after a command that let it go. */
function standing({ ask }: ConsoleContext, status: MachineStatus, repeat: string): ConsoleOutcome {
  const lines =
    status.state === 'running' ? ['running; pause stops it'] : stopReport(ask, status).slice(0, BRIEF_LINES);
  return { ok: true, value: { lines, repeat } };
}

/** Why and at which instruction; `where` has the rest. */
const BRIEF_LINES = 2;

function noArguments({ words }: ConsoleArguments): ConsoleOutcome | undefined {
  return words.length === 0 ? undefined : misused('it takes no arguments.', spanOf(words));
}

const spanOf = (words: ConsoleArguments['words']): { at: number; length: number } => {
  const last = words[words.length - 1];
  return { at: words[0].at, length: last.at + last.text.length - words[0].at };
};

/** A count of steps; 1 when none is given. */
function countOf({ words }: ConsoleArguments): number | undefined {
  if (words.length === 0) return 1;
  return words.length === 1 ? parseIntegerIn(words[0].text, 1, MAX_STEPS) : undefined;
}

export const RUN_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['continue', 'c', 'cont', 'run', 'r'],
    usage: '[INSNS]',
    summary: 'lets the guest run; with INSNS until so many more instructions have retired',
    run(context, args) {
      const { ask } = context;
      if (args.words.length === 0) {
        return answered(ask('run.continue', {}), (status) => standing(context, status, ''));
      }
      const insns =
        args.words.length === 1 ? parseIntegerIn(args.words[0].text, 1, Number.MAX_SAFE_INTEGER) : undefined;
      if (insns === undefined) return misused('it takes a number of instructions, or nothing.', spanOf(args.words));
      return answered(ask('machine.status', {}), ({ moment }) => {
        const untilInsns = Math.min(moment.insns + insns, Number.MAX_SAFE_INTEGER);
        return answered(ask('run.continue', { untilInsns }), (status) => standing(context, status, ''));
      });
    },
  },
  {
    names: ['pause', 'interrupt', 'stop'],
    usage: '',
    summary: 'stops the guest where it is',
    run: (context, args) =>
      noArguments(args) ?? answered(context.ask('run.pause', {}), (status) => standing(context, status, '')),
  },
  {
    names: ['step', 's', 'si', 'stepi'],
    usage: '[N]',
    summary: 'executes one instruction, or N; an empty line steps again',
    run(context, args) {
      const count = countOf(args);
      if (count === undefined) return misused(`it takes a number of steps from 1 to ${MAX_STEPS}.`, spanOf(args.words));
      const answer = context.ask('run.step', { vcpu: context.vcpu, count });
      return answered(answer, (status) => standing(context, status, `step ${args.text}`.trim()));
    },
  },
  {
    names: ['next', 'n', 'ni', 'nexti'],
    usage: '',
    summary: 'executes one instruction; calls, interrupts and repeated string instructions as one',
    run: (context, args) =>
      noArguments(args) ??
      answered(context.ask('run.stepOver', { vcpu: context.vcpu }), (status) => standing(context, status, 'next')),
  },
  {
    names: ['finish', 'fin', 'out'],
    usage: '',
    summary: 'runs until the function that rip stands in returns',
    run: (context, args) =>
      noArguments(args) ??
      answered(context.ask('run.stepOut', { vcpu: context.vcpu }), (status) => standing(context, status, '')),
  },
  {
    names: ['until', 'u', 'advance'],
    usage: 'ADDRESS',
    summary: 'runs until the vCPU is about to execute the instruction at ADDRESS',
    run(context, args) {
      if (args.text === '') return misused('say where: until main, until 0x100034.');
      const to = context.values.evaluate(args.text, args.at);
      if (!to.ok) return to;
      const answer = context.ask('run.to', { vcpu: context.vcpu, address: to.value.value });
      return answered(answer, (status) => standing(context, status, ''));
    },
    complete: ({ values }, words) => values.names(words.at(-1) ?? ''),
  },
  {
    names: ['reset'],
    usage: '',
    summary: 'the same image and options again, from the start; breakpoints stay',
    run: (context, args) =>
      noArguments(args) ??
      answered(context.ask('machine.reset', {}), (status) => {
        const stands = standing(context, status, '');
        return stands.ok ? ok({ ...stands.value, restarted: true }) : stands;
      }),
  },
  {
    names: ['where', 'status', 'bt'],
    usage: '',
    summary: 'why the machine stands, at which instruction, the generation, the registers',
    run: ({ ask, columns }, args) =>
      noArguments(args) ??
      answered(ask('machine.status', {}), (status) =>
        status.state === 'empty'
          ? said('no machine')
          : status.state === 'running'
            ? said(`running, ${status.moment.insns} instructions so far`)
            : said(...stopReport(ask, status, columns)),
      ),
  },
  {
    names: ['vcpu', 'thread', 'cpu'],
    usage: '[N]',
    summary: 'shows the vCPUs; with N, later commands are about that one',
    run({ ask, vcpu }, args) {
      return answered(ask('machine.status', {}), ({ vcpus }) => {
        if (args.words.length === 0) {
          return said(
            ...vcpus.map(
              ({ id, rip, cpl, mode, activity, lastExit }) =>
                `${id === vcpu ? '*' : ' '} vCPU ${id}: rip 0x${rip.toString(16)}, CPL ${cpl}, ${mode}, ${activity}` +
                `${lastExit === '' ? '' : `, last exit ${lastExit}`}`,
            ),
          );
        }
        const chosen = parseIntegerIn(args.text, 0, vcpus.length - 1);
        if (chosen === undefined) return misused(`the machine has vCPUs 0 to ${vcpus.length - 1}.`, spanOf(args.words));
        return { ok: true, value: { lines: [`commands are about vCPU ${chosen} now`], vcpu: chosen } };
      });
    },
    complete({ ask }) {
      const status = ask('machine.status', {});
      return status.ok ? status.value.vcpus.map(({ id }) => String(id)) : [];
    },
  },
];
