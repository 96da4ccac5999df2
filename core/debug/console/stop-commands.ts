/** Breakpoints of the console: the grammar of --break, and numbers for what is there. */
import { err } from '../../base/result.ts';
import { parseBreakSpec } from '../../format/break-spec.ts';
import { parseIntegerIn } from '../../format/integer-text.ts';
import type { BreakpointSnapshot } from '../../protocol/snapshots.ts';
import {
  answered,
  misused,
  said,
  type ConsoleArguments,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
} from './console-command.ts';
import { completeBreak } from './break-completion.ts';

const MAX_ID = 2 ** 31;

function lineOf({
  id,
  text,
  enabled,
  once,
  hits,
  stopAtHit,
  hitMode,
  vcpu,
  condition,
  log,
  problem,
}: BreakpointSnapshot): string {
  const which = { from: `from hit ${stopAtHit} on`, at: `at hit ${stopAtHit}`, every: `at every hit ${stopAtHit}` };
  return [
    `${id}: ${text}`,
    ...(vcpu === undefined ? [] : [`vCPU ${vcpu}`]),
    ...(once ? ['once'] : []),
    ...(stopAtHit === 1 && hitMode !== 'at' ? [] : [which[hitMode]]),
    ...(condition === '' ? [] : [`if ${condition}`]),
    ...(log === '' ? [] : [`log ${log}`]),
    `${hits} hits`,
    ...(enabled ? [] : ['disabled']),
    ...(problem === undefined ? [] : [problem]),
  ].join(', ');
}

/** Ids by number, or all of them. */
function idsOf(
  { ask }: ConsoleContext,
  { words }: ConsoleArguments,
  use: (ids: readonly number[]) => ConsoleOutcome,
): ConsoleOutcome {
  if (words.length === 0) return misused('say which: numbers of breakpoints, or all.');
  return answered(ask('breakpoints.list', {}), (list) => {
    if (words.length === 1 && words[0].text === 'all') return use(list.map(({ id }) => id));
    const ids: number[] = [];
    for (const { text, at } of words) {
      const id = parseIntegerIn(text, 1, MAX_ID);
      if (id === undefined) return misused(`${text} is no number of a breakpoint.`, { at, length: text.length });
      if (!list.some((each) => each.id === id))
        return err({ errno: 'ENOENT', message: `there is no breakpoint ${id}.`, at, length: text.length });
      ids.push(id);
    }
    return use(ids);
  });
}

const switching =
  (enabled: boolean) =>
  (context: ConsoleContext, args: ConsoleArguments): ConsoleOutcome =>
    idsOf(context, args, (ids) => {
      const lines: string[] = [];
      for (const id of ids) {
        const answer = context.ask('breakpoints.update', { id, enabled });
        if (!answer.ok) return answered(answer, () => said());
        lines.push(lineOf(answer.value));
      }
      return said(...lines);
    });

const completeIds = ({ ask }: ConsoleContext): readonly string[] => {
  const list = ask('breakpoints.list', {});
  return ['all', ...(list.ok ? list.value.map(({ id }) => String(id)) : [])];
};

/** `main` and `0x100034` alone mean execution. */
const specOf = (text: string): string => (/^[a-z][a-z-]*:/i.test(text) ? text : `exec:${text}`);

export const STOP_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['break', 'b', 'tbreak'],
    usage: 'SPEC',
    summary: 'a breakpoint, as --break takes it: main, exec:0x100034, mmio:0xfeb00000+0x1000:write:stale:INVALID',
    details: [
      'Without an argument: the breakpoints there are.',
      'Kinds: exec data mmio exception fault port spte gpte memslot wrap zap, as in spte:0xe0000000:bits=0x2:level=1.',
      ':once, :hit=N, :at=N, :every=N, :vcpu=N may follow; then if EXPR, then log TEXT with {EXPR} in it.',
    ],
    run(context, { text, at }) {
      if (text === '') return listing(context);
      const wish = parseBreakSpec(specOf(text));
      if (!wish.ok) return misused(wish.error, { at, length: text.length });
      return answered(context.ask('breakpoints.add', wish.value), (added) => said(lineOf(added)));
    },
    complete: completeBreak,
  },
  {
    names: ['breakpoints', 'breaks'],
    usage: '',
    summary: 'the breakpoints, with their hits',
    run: (context, { words }) => (words.length === 0 ? listing(context) : misused('it takes no arguments.')),
  },
  {
    names: ['delete', 'd', 'del'],
    usage: 'N…|all',
    summary: 'takes breakpoints away',
    run: (context, args) =>
      idsOf(context, args, (ids) => {
        for (const id of ids) {
          const answer = context.ask('breakpoints.remove', { id });
          if (!answer.ok) return answered(answer, () => said());
        }
        return said(ids.length === 0 ? 'there was none' : `deleted ${ids.join(', ')}`);
      }),
    complete: completeIds,
  },
  {
    names: ['enable'],
    usage: 'N…|all',
    summary: 'switches breakpoints on',
    run: switching(true),
    complete: completeIds,
  },
  {
    names: ['disable'],
    usage: 'N…|all',
    summary: 'switches breakpoints off, and keeps them',
    run: switching(false),
    complete: completeIds,
  },
];

const listing = ({ ask }: ConsoleContext): ConsoleOutcome =>
  answered(ask('breakpoints.list', {}), (list) => said(...(list.length === 0 ? ['no breakpoints'] : list.map(lineOf))));
