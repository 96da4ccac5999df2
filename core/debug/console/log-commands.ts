/** What has happened: MMIO faults, tracepoints, counters; and the guest's serial line. */
import { isLatin1, latin1Bytes, latin1Text } from '../../base/latin1.ts';
import { formatAddress, formatGfn, formatHex } from '../../format/address-text.ts';
import { parseIntegerIn } from '../../format/integer-text.ts';
import { describeGenerations } from '../../format/stop-reason.ts';
import { TRACEPOINTS } from '../../base/tracepoints.ts';
import { MAX_ROWS } from '../../protocol/requests.ts';
import type { MmioFaultRecord } from '../../protocol/snapshots.ts';
import {
  answered,
  misused,
  said,
  type ConsoleArguments,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
} from './console-command.ts';
import { unquote } from './console-line.ts';

const SHOWN = 20;

/** A count behind a verb; SHOWN when none is given. */
function countBehind({ words }: ConsoleArguments, from: number): number | undefined {
  const word = words.at(from);
  if (word === undefined) return SHOWN;
  return words.length === from + 1 ? parseIntegerIn(word.text, 1, MAX_ROWS) : undefined;
}

const badCount = (): ConsoleOutcome => misused(`a count is a number from 1 to ${MAX_ROWS}.`);

const faultLine = (record: MmioFaultRecord): string => {
  const { seq, insns, vcpu, rip, gpa, access, outcome, spteGen, kvmGen, size, value, claim, device } = record;
  const claimed = claim === 'device' ? (device ?? 'device') : claim;
  return (
    `${seq} at ${insns} vCPU ${vcpu} rip ${formatAddress(rip)}: ${access} gpa ${formatAddress(gpa)} len ${size} ` +
    `val ${formatHex(value)}, ${outcome} (${describeGenerations(spteGen, kvmGen)}), ${claimed}`
  );
};

function mmio({ ask }: ConsoleContext, args: ConsoleArguments): ConsoleOutcome {
  const [verb] = args.words;
  const named = verb?.text === 'log' || verb?.text === 'heat';
  const count = countBehind(args, named ? 1 : 0);
  if (count === undefined) return badCount();
  if (verb?.text === 'heat') {
    return answered(ask('mmio.heat', { limit: count }), ({ rows, overflow }) =>
      said(
        ...rows.map(
          ({ gfn, count: faults, invalid, writes }) =>
            `gfn ${formatGfn(gfn)}: ${faults} faults, ${writes} writes, ${invalid} INVALID`,
        ),
        ...(overflow === 0 ? [] : [`${overflow} faults of more gfns than the table holds`]),
        `${rows.length} gfns`,
      ),
    );
  }
  return answered(ask('mmio.log', { since: Number.MAX_SAFE_INTEGER, limit: 1 }), ({ total }) =>
    answered(ask('mmio.log', { since: Math.max(0, total - count), limit: count }), ({ records }) =>
      said(...records.map(faultLine), `${total} MMIO faults`),
    ),
  );
}

/** Turns tracepoints on besides those that are, or off. */
function trace(context: ConsoleContext, args: ConsoleArguments): ConsoleOutcome {
  const { ask } = context;
  const [verb] = args.words;
  const names = args.words.slice(1).map(({ text }) => text.slice(0, 64));
  switch (verb?.text ?? 'show') {
    case 'enable':
      if (names.length === 0) return misused('say which: trace enable kvmmmu:*, trace enable kvm_mmio.');
      return enabledOf(context, (on) => setEvents(context, [...on, ...names]));
    case 'disable':
      return enabledOf(context, (on) => {
        const all = names.length === 0 || names.includes('*') || names.includes('all');
        const unknown = names.find(
          (name) => !all && !TRACEPOINTS.some((spec) => spec.name === name || spec.modernName === name),
        );
        if (unknown !== undefined) return misused(`there is no tracepoint called ${unknown}.`);
        return setEvents(context, all ? [] : on.filter((name) => !names.includes(name)));
      });
    case 'events':
      return enabledOf(context, (on) =>
        said(...TRACEPOINTS.map(({ name, system }) => `${on.includes(name) ? '*' : ' '} ${system}:${name}`)),
      );
    case 'show': {
      const count = countBehind(args, verb === undefined ? 0 : 1);
      if (count === undefined) return badCount();
      return answered(ask('trace.read', { since: Number.MAX_SAFE_INTEGER, limit: 1 }), ({ total }) =>
        answered(ask('trace.read', { since: Math.max(0, total - count), limit: count }), ({ lines }) =>
          said(
            ...lines.map(({ insns, vcpu, event, text }) => `${insns} vcpu ${vcpu} ${event}: ${text}`),
            `${total} events`,
          ),
        ),
      );
    }
    default:
      return misused('trace takes enable, disable, events, or show [N].', {
        at: verb?.at ?? 0,
        length: verb?.text.length ?? 1,
      });
  }
}

/** What is on is known by asking for nothing else: the request answers with the whole set. */
function enabledOf({ ask }: ConsoleContext, use: (on: readonly string[]) => ConsoleOutcome): ConsoleOutcome {
  return answered(ask('trace.enabled', {}), ({ events }) => use(events));
}

const setEvents = ({ ask }: ConsoleContext, events: readonly string[]): ConsoleOutcome =>
  answered(ask('trace.enable', { events: [...new Set(events)].slice(0, 64) }), ({ events: on }) =>
    said(on.length === 0 ? 'no tracepoint is on' : `on: ${on.join(' ')}`),
  );

const stats = ({ ask }: ConsoleContext, { words }: ConsoleArguments): ConsoleOutcome => {
  const [verb, ...more] = words;
  if (more.length > 0 || (verb !== undefined && verb.text !== 'reset' && verb.text !== 'all'))
    return misused('stats takes all, reset, or nothing.', { at: verb?.at ?? 0, length: 1 });
  const answer = verb?.text === 'reset' ? ask('stats.reset', {}) : ask('stats.read', {});
  return answered(answer, ({ vcpu, vm, usedMmuPages, maxMmuPages }) => {
    const rows = [...Object.entries(vcpu), ...Object.entries(vm)].filter(
      ([, value]) => value !== 0 || verb?.text === 'all',
    );
    return said(
      ...rows.map(([name, value]) => `${name.padEnd(20)} ${value}`),
      `${usedMmuPages} of ${maxMmuPages} shadow pages are in use`,
    );
  });
};

function serial({ ask }: ConsoleContext, { text, at, words }: ConsoleArguments): ConsoleOutcome {
  if (text === '') {
    return answered(ask('serial.read', {}), ({ bytes }) => {
      const lines = latin1Text(bytes).split(/\r?\n/);
      return said(...lines.slice(-MAX_SERIAL_LINES).map((line) => line.replaceAll(/\p{Cc}/gu, '·')));
    });
  }
  const typed = words.length === 1 ? unquote(words[0].text) : undefined;
  if (typed === undefined)
    return misused('it takes text in quotation marks, with \\n, \\r, \\t, \\e or \\x1b where needed: serial "ls\\r".', {
      at,
      length: text.length,
    });
  if (!isLatin1(typed))
    return misused('a serial line carries bytes: letters from U+0100 on are none.', { at, length: text.length });
  const bytes = latin1Bytes(typed);
  return answered(ask('serial.write', { bytes }), ({ accepted }) => said(`${accepted} of ${bytes.length} bytes typed`));
}

const MAX_SERIAL_LINES = 40;

function log({ ask }: ConsoleContext, args: ConsoleArguments): ConsoleOutcome {
  const count = countBehind(args, 0);
  if (count === undefined) return badCount();
  return answered(ask('breakpoints.log', { since: Number.MAX_SAFE_INTEGER, limit: 1 }), ({ total }) =>
    answered(ask('breakpoints.log', { since: Math.max(0, total - count), limit: count }), ({ lines }) =>
      said(
        ...lines.map(
          ({ insns, vcpu, breakpoint, text }) => `at ${insns}: vCPU ${vcpu}, breakpoint ${breakpoint}: ${text}`,
        ),
        `${total} lines of breakpoints that log`,
      ),
    ),
  );
}

export const LOG_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['log'],
    usage: '[N]',
    summary: 'the last lines of breakpoints that log instead of stopping: break … log TEXT {EXPR}',
    run: log,
  },
  {
    names: ['mmio'],
    usage: '[log [N] | heat [N]]',
    summary: 'the last MMIO faults with what they came to; heat counts them by gfn',
    run: mmio,
    complete: (_context, words) => (words.length <= 1 ? ['log', 'heat'] : []),
  },
  {
    names: ['trace'],
    usage: '[show [N] | enable EVENT… | disable [EVENT…] | events]',
    summary: 'tracepoints of kvm and kvmmmu: name, system:name, system:* or *',
    run: trace,
    complete: (_context, words) =>
      words.length <= 1
        ? ['show', 'enable', 'disable', 'events']
        : ['*', 'kvm:*', 'kvmmmu:*', 'umbra:*', ...TRACEPOINTS.map(({ name }) => name)],
  },
  {
    names: ['stats', 'counters'],
    usage: '[all | reset]',
    summary: 'KVM’s debugfs counters that are not zero',
    run: stats,
    complete: () => ['all', 'reset'],
  },
  {
    names: ['serial', 'type'],
    usage: '["TEXT"]',
    summary: 'types on the guest’s serial line; without text, what the guest has said last',
    run: serial,
  },
];
