/** Memslots and the generation: KVM's own calls, in the words of memslot scripts (core/format/slot-script.ts). */
import { err, ok } from '../../base/result.ts';
import { formatHex } from '../../format/address-text.ts';
import { parseInteger } from '../../format/integer-text.ts';
import {
  describeChange,
  generationsText,
  memslotFlagsText,
  memslotLines,
  memslotReportText,
} from '../../format/memslot-text.ts';
import { parseSlotScript, type SlotAction } from '../../format/slot-script.ts';
import { generationText } from '../../format/stop-reason.ts';
import type { UserMemoryRegion } from '../../protocol/snapshots.ts';
import {
  answered,
  misused,
  said,
  type ConsoleArguments,
  type ConsoleCommand,
  type ConsoleContext,
  type ConsoleOutcome,
} from './console-command.ts';
import { deletionOf, regionOf } from './console-edits.ts';
import { holdLines } from './hold-commands.ts';

const VERBS = ['list', 'add', 'set', 'move', 'flags', 'change', 'remove', 'preview', 'hold', 'dirty-log'] as const;
/** What scripts call it. */
const SCRIPT_WORDS: ReadonlyMap<string, string> = new Map([
  ['add', 'set'],
  ['remove', 'delete'],
]);
const CHANGES = ['move', 'flags', 'change'];

/** A call as a script writes it. @param at where its text stands in the line */
function parseCall(text: string, at: number, use: (action: SlotAction) => ConsoleOutcome): ConsoleOutcome {
  const steps = parseSlotScript(text);
  if (!steps.ok) {
    const { column, message } = steps.error;
    return misused(`${message}.`, { at: at + column - 1, length: 1 });
  }
  const [step] = steps.value;
  return step === undefined
    ? misused('a call must follow, like: add slot=5 gpa=0xe0000000 size=4K hva=ram.')
    : use(step.action);
}

/** `move slot=5 gpa=…`: what is not said stays as the slot has it. */
function parseChange(
  context: ConsoleContext,
  text: string,
  at: number,
  use: (region: UserMemoryRegion) => ConsoleOutcome,
): ConsoleOutcome {
  return answered(context.ask('memslots.read', {}), ({ slots }) => {
    const wanted = /(?:^|\s)slot=(\S+)/.exec(text)?.[1];
    const id = wanted === undefined ? undefined : parseInteger(wanted);
    if (id === undefined) return misused('say which slot: slot=5.', { at, length: Math.max(1, text.length) });
    const slot = slots.find((each) => BigInt(each.id) === id);
    if (slot === undefined) return err({ errno: 'ENOENT', message: `there is no slot ${id}.` });
    const { flags, guestPhysAddr, memorySize, userspaceAddr } = regionOf(slot);
    const now: readonly (readonly [string, string])[] = [
      ['gpa', formatHex(guestPhysAddr)],
      ['size', formatHex(memorySize)],
      ['hva', formatHex(userspaceAddr)],
      ['flags', memslotFlagsText(flags)],
    ];
    const kept = now.filter(([name]) => !new RegExp(`(?:^|\\s)${name}=`).test(text));
    // The user's own words first, so that columns of complaints are those of the line.
    const call = `set ${text}${kept.map(([name, value]) => ` ${name}=${value}`).join('')}`;
    return parseCall(call, at - 4, (action) =>
      action.kind === 'set' ? use(action.region) : misused('that is no change.'),
    );
  });
}

const set = ({ edits }: ConsoleContext, region: UserMemoryRegion): ConsoleOutcome =>
  answered(edits.memslot(region), (report) => said(memslotReportText(report)));

const preview = ({ ask }: ConsoleContext, region: UserMemoryRegion): ConsoleOutcome =>
  answered(ask('memslots.preview', { region }), (report) =>
    said(
      `it would be ${report.change}: ${describeChange(report.change)}`,
      generationsText(report),
      `${report.mmioSptesGoneStale} MMIO sptes would go stale, ${report.pagesZapped} shadow pages be zapped; ` +
        `v3.10 would have walked ${report.pagesWalkedBefore}${report.wrapped ? '; the generation wraps' : ''}`,
    ),
  );

const hold = ({ ask }: ConsoleContext, region: UserMemoryRegion): ConsoleOutcome =>
  answered(ask('hold.begin', { regions: [region] }), (snapshot) =>
    said(...holdLines(snapshot), 'hold step takes a step of it, hold vcpu N lets a vCPU go on meanwhile.'),
  );

/** What is done with a call that another word stands in front of. */
const WAYS: ReadonlyMap<string, typeof set> = new Map([
  ['preview', preview],
  ['hold', hold],
]);

function dirtyLog({ ask }: ConsoleContext, slot: number): ConsoleOutcome {
  return answered(ask('memslots.dirtyLog', { slot }), ({ bitmap }) => {
    const pages: number[] = [];
    for (let page = 0; page < bitmap.length * 8; page++) {
      if (((bitmap[page >> 3] >> (page & 7)) & 1) !== 0) pages.push(page);
    }
    const shown = pages.slice(0, MAX_DIRTY).map((page) => formatHex(page));
    const more = pages.length > MAX_DIRTY ? ` … and ${pages.length - MAX_DIRTY} more` : '';
    return said(
      `${pages.length} dirty pages${pages.length === 0 ? '' : `, by their number in the slot: ${shown.join(' ')}${more}`}`,
    );
  });
}

const MAX_DIRTY = 256;

function carryOut(context: ConsoleContext, action: SlotAction, apply: typeof set): ConsoleOutcome {
  switch (action.kind) {
    case 'set':
      return apply(context, action.region);
    case 'delete':
      return apply(context, deletionOf(action.slot));
    case 'dirty-log':
      return dirtyLog(context, action.slot);
    case 'generation':
      return misused('the generation has a command of its own: generation set N.');
  }
}

function slots(context: ConsoleContext, { words, text, at }: ConsoleArguments): ConsoleOutcome {
  const [verb] = words;
  if (verb === undefined || (verb.text === 'list' && words.length === 1)) {
    return answered(context.ask('memslots.read', {}), (snapshot) => said(...memslotLines(snapshot)));
  }
  if (!VERBS.some((known) => known === verb.text)) {
    return misused(`slots takes ${VERBS.join(', ')}.`, { at: verb.at, length: verb.text.length });
  }
  const way = WAYS.get(verb.text);
  const apply = way ?? set;
  const call = way ? (words.at(1)?.text ?? '') : verb.text;
  const begin = way ? (words.at(1)?.at ?? at + text.length) : verb.at;
  const behind = begin + call.length;
  const rest = text.slice(behind - at);
  if (CHANGES.includes(call)) {
    const blanks = rest.length - rest.trimStart().length;
    return parseChange(context, rest.trimStart(), behind + blanks, (region) => apply(context, region));
  }
  const word = SCRIPT_WORDS.get(call) ?? call;
  return parseCall(`${word}${rest}`, behind - word.length, (action) => carryOut(context, action, apply));
}

export const SLOT_COMMANDS: readonly ConsoleCommand[] = [
  {
    names: ['slots', 'memslots', 'mtree'],
    usage: '[list | add … | move … | flags … | remove slot=N | preview CALL | hold CALL | dirty-log slot=N]',
    summary: 'the memslots, and KVM_SET_USER_MEMORY_REGION',
    details: [
      'slots add slot=5 gpa=0xe0000000 size=4K hva=ram+0x100000 flags=log-dirty',
      'slots move slot=5 gpa=0xe0010000      slots flags slot=5 flags=none      slots remove slot=5',
      'slots preview add …   says what the call would do, and does nothing.',
      'slots hold add …      begins the call, and holds it between its steps: help hold.',
      'A refused call names the errno, the check that failed and the slot it collides with.',
    ],
    run: slots,
    complete({ ask }, words) {
      const [verb = ''] = words;
      if (words.length <= 1) return VERBS;
      if (words.length === 2 && WAYS.has(verb)) return ['add', 'move', 'flags', 'remove'];
      const read = ask('memslots.read', {});
      const ids = read.ok ? read.value.slots.map(({ id }) => `slot=${id}`) : [];
      return [...ids, 'slot=', 'gpa=', 'size=', 'hva=ram', 'flags=none', 'flags=log-dirty', 'flags=readonly'];
    },
  },
  {
    names: ['generation', 'gen'],
    usage: '[set N]',
    summary:
      'the generation and its MMIO sptes; set N moves the memslots generation, as if so many changes had happened',
    run(context, { words }) {
      const { ask } = context;
      const [verb, number, ...more] = words;
      const show = (): ConsoleOutcome =>
        answered(ask('machine.status', {}), (status) =>
          answered(ask('generation.read', {}), (snapshot) => {
            const { mmioSptesFresh, mmioSptesStale, mask, wrapAt, events } = snapshot;
            const sptes = `${mmioSptesFresh} MMIO sptes of it, ${mmioSptesStale} stale; mask ${formatHex(mask)}, wraps at ${formatHex(wrapAt)}`;
            const log = events.slice(-LOGGED).map(({ insns, text }) => `  at ${insns}: ${text}`);
            return said(generationText(status), ...(status.era === 'v3.10' ? [] : [sptes]), ...log);
          }),
        );
      if (verb === undefined) return show();
      const value = number === undefined ? undefined : parseInteger(number.text);
      if (verb.text !== 'set' || value === undefined || more.length > 0) {
        return misused('generation set takes a number of up to 64 bits.', { at: verb.at, length: verb.text.length });
      }
      const done = answered(ask('generation.set', { memslotsGeneration: value }), () => ok({ lines: [] }));
      return done.ok ? show() : done;
    },
    complete: (_context, words) => (words.length <= 1 ? ['set'] : []),
  },
];

const LOGGED = 10;
