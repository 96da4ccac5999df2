/**
 * The grammar of breakpoints, as --break of the command line and break of the console take them:
 *
 *     exec:PLACE[+LENGTH]                              an instruction; PLACE is a symbol, a gva, or gpa@ and a gpa
 *     data:PLACE[+LENGTH]       [:read|:write]         8 bytes unless LENGTH says
 *     mmio:GPA                  [:read|:write] [:fresh|:stale] [:OUTCOME[,OUTCOME]…]
 *     exception:VECTOR[,VECTOR]…                       numbers or names: 6, ud
 *     fault:GVA                 [:read|:write|:fetch] [:user|:supervisor] [:not-present|:protection|:reserved]
 *     port:PORT[+COUNT]         [:in|:out]
 *     spte:GPA                  [:bits=MASK] [:level=N]
 *     gpte:GPA[+LENGTH]         [:bits=MASK]           8 bytes unless LENGTH says: one entry
 *     memslot:SLOT              [:create|:delete|:move|:flags]
 *     wrap:any
 *     zap:GPA                   [:level=N]
 *
 * GPA and GVA are START[+LENGTH], to the end of the page unless LENGTH says, or `any`. Every kind takes [:once] [:hit=N | :at=N |
 * :every=N] [:vcpu=N], then [if EXPRESSION] [log TEXT]. Numbers are hexadecimal with 0x, else decimal.
 */
import { parseSize } from './address-text.ts';
import { err, ok, type Result } from '../base/result.ts';
import { MMIO_OUTCOMES, type MmioOutcome } from '../base/mmio-outcomes.ts';
import { EXCEPTION_NAMES, MEMSLOT_CHANGE_WORDS } from '../protocol/breakpoint-kinds.ts';
import type { Params } from '../protocol/requests.ts';

export type BreakpointWish = Params<'breakpoints.add'>;

const GPA_SPACE = 1n << 52n;
const U64_MAX = (1n << 64n) - 1n;
const PAGE = 4096n;
const ENTRY = 8n;

type Complain = (what: string) => Result<never, string>;
type Spec = BreakpointWish['spec'];
type KindParser = (place: string, words: readonly string[], complain: Complain) => Result<Spec, string>;

const PARSERS: ReadonlyMap<string, KindParser> = new Map<string, KindParser>([
  ['exec', execSpec],
  ['mmio', mmioSpec],
  ['data', dataSpec],
  ['exception', exceptionSpec],
  ['fault', faultSpec],
  ['port', portSpec],
  ['spte', entrySpec('spte')],
  ['gpte', entrySpec('gpte')],
  ['memslot', memslotSpec],
  ['wrap', wrapSpec],
  ['zap', zapSpec],
]);

export const BREAK_SPEC_KINDS: readonly string[] = [...PARSERS.keys()];

/** Words that may follow a place, by kind; then those of every kind. */
const OPTION_WORDS: Readonly<Record<string, readonly string[]>> = {
  data: ['read', 'write'],
  mmio: ['read', 'write', 'fresh', 'stale', ...MMIO_OUTCOMES],
  fault: ['read', 'write', 'fetch', 'user', 'supervisor', 'not-present', 'protection', 'reserved'],
  port: ['in', 'out'],
  spte: ['bits=', 'level='],
  gpte: ['bits='],
  memslot: ['create', 'delete', 'move', 'flags'],
  zap: ['level='],
};
const OPTIONS_OF_ALL = ['once', 'hit=', 'at=', 'every=', 'vcpu='];

export const breakOptionWords = (kind: string): readonly string[] => [
  ...(Object.hasOwn(OPTION_WORDS, kind) ? OPTION_WORDS[kind] : []),
  ...OPTIONS_OF_ALL,
];

/** The error is a sentence. */
export function parseBreakSpec(text: string): Result<BreakpointWish, string> {
  const parts = /^(.*?)(?:\s+if\s+(.*?))?(?:\s+log\s+(.*))?$/s.exec(text);
  const [kind, place = '', ...words] = (parts?.[1] ?? text).split(':').map((part) => part.trim());
  const complain = (what: string): Result<never, string> => err(`${text}: ${what}`);
  if (place === '') return complain('say where, as in exec:main or mmio:0xfeb00000+0x1000.');
  const parser = PARSERS.get(kind);
  if (parser === undefined) {
    return complain(`a breakpoint begins with one of ${[...PARSERS.keys()].join(':, ')}:, not with ${kind}.`);
  }
  const options = takeOptions(words);
  if (options.bad !== undefined) return complain(options.bad);
  const spec = parser(place, options.rest, complain);
  if (!spec.ok) return spec;
  const { once, stopAtHit, hitMode, vcpu } = options;
  const condition = parts?.[2]?.trim();
  const log = parts?.[3]?.trim();
  return ok({
    spec: spec.value,
    once,
    stopAtHit,
    ...(hitMode === 'from' ? {} : { hitMode }),
    ...(vcpu === undefined ? {} : { vcpu }),
    ...(condition === undefined ? {} : { condition }),
    ...(log === undefined ? {} : { log }),
  });
}

function execSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  if (words.length > 0) return complain(`${words[0]} means nothing here; once and hit=N do.`);
  const place = parsePlace(text, complain);
  if (!place.ok) return place;
  const { space, symbol, address, length } = place.value;
  return ok({
    kind: 'exec',
    address,
    ...(symbol === undefined ? {} : { symbol }),
    ...(space === 'gva' ? {} : { space }),
    ...(length === undefined ? {} : { length }),
  });
}

function dataSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  const place = parsePlace(text, complain);
  if (!place.ok) return place;
  const chosen = choose(words, [['read', 'write']], complain);
  if (!chosen.ok) return chosen;
  const { space, symbol, address, length = ENTRY } = place.value;
  const access = chosen.value[0] ?? 'any';
  return ok({ kind: 'data', space, start: address, length, access, ...(symbol === undefined ? {} : { symbol }) });
}

function exceptionSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  if (words.length > 0) return complain(`${words[0]} means nothing here.`);
  if (text === 'any') return ok({ kind: 'exception', vectors: [] });
  const vectors: number[] = [];
  for (const name of text.split(',')) {
    const wanted = name.trim().replace(/^#/, '').toLowerCase();
    const known = EXCEPTION_NAMES.findIndex((one) => one.replace('#', '').toLowerCase() === wanted);
    const vector = known >= 0 ? known : /^[0-9]+$/.test(wanted) ? Number(wanted) : -1;
    if (vector < 0 || vector > 31) return complain(`${name} is no exception: 0 to 31, or a name such as ud, gp, pf.`);
    vectors.push(vector);
  }
  return ok({ kind: 'exception', vectors });
}

function faultSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  const range = parseRange(text, 1n << 64n);
  if (range === undefined) return complain(`${text} is no range of guest virtual addresses (GVA+LENGTH, or any).`);
  const groups = [
    ['read', 'write', 'fetch'],
    ['user', 'supervisor'],
    ['not-present', 'protection', 'reserved'],
  ] as const;
  const chosen = choose(words, groups, complain);
  if (!chosen.ok) return chosen;
  const [access = 'any', privilege = 'any', cause = 'any'] = chosen.value;
  return ok({
    kind: 'page-fault',
    ...range,
    access: groups[0].find((word) => word === access) ?? 'any',
    privilege: groups[1].find((word) => word === privilege) ?? 'any',
    cause: groups[2].find((word) => word === cause) ?? 'any',
  });
}

function portSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  const [from, by = '1', ...more] = text === 'any' ? ['0', '0x10000'] : text.split('+');
  const start = parseSize(from);
  const length = parseSize(by);
  if (start === undefined || length === undefined || length === 0n || more.length > 0 || start + length > 0x1_0000n) {
    return complain(`${text} is no range of the 65536 ports (PORT+COUNT, or any).`);
  }
  const chosen = choose(words, [['in', 'out']], complain);
  if (!chosen.ok) return chosen;
  return ok({ kind: 'port', start: Number(start), length: Number(length), access: chosen.value[0] ?? 'any' });
}

function entrySpec(kind: 'spte' | 'gpte'): KindParser {
  return (text, words, complain) => {
    const range = parseRange(text, GPA_SPACE, kind === 'gpte' ? ENTRY : undefined);
    if (range === undefined) return complain(`${text} is no range of guest physical addresses (GPA+LENGTH, or any).`);
    let mask = U64_MAX;
    let level: number | undefined;
    for (const word of words) {
      const [name, value = ''] = word.split('=');
      const number = parseSize(value);
      if (name === 'bits' && number !== undefined && number !== 0n) mask = number;
      else if (name === 'level' && kind === 'spte' && number !== undefined && number >= 1n && number <= 5n) {
        level = Number(number);
      } else return complain(`${word} means nothing here; bits=MASK${kind === 'spte' ? ' and level=N do' : ' does'}.`);
    }
    return ok({ kind, ...range, mask, ...(level === undefined ? {} : { level }) });
  };
}

function memslotSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  if (text !== 'any' && !/^[0-9]{1,9}$/.test(text)) return complain(`${text} is no slot: a number, or any.`);
  const changes: (typeof MEMSLOT_CHANGE_WORDS)[number][] = [];
  for (const word of words.flatMap((list) => list.split(','))) {
    const change = MEMSLOT_CHANGE_WORDS.find((one) => one.split('_')[0].toLowerCase() === word.toLowerCase());
    if (change === undefined) return complain(`${word} is no change: create, delete, move or flags.`);
    changes.push(change);
  }
  return ok({ kind: 'memslot', changes, ...(text === 'any' ? {} : { slot: Number(text) }) });
}

function wrapSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  if (text !== 'any' || words.length > 0) return complain('there is one generation: wrap:any.');
  return ok({ kind: 'generation-wrap' });
}

function zapSpec(text: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  const range = parseRange(text, GPA_SPACE);
  if (range === undefined) return complain(`${text} is no range of guest physical addresses (GPA+LENGTH, or any).`);
  const levels = words.map((word) => /^level=([1-5])$/.exec(word)?.[1]);
  if (levels.includes(undefined) || levels.length > 1) return complain(`${words[0]} means nothing here; level=N does.`);
  return ok({ kind: 'zap', ...range, ...(levels.length === 0 ? {} : { level: Number(levels[0]) }) });
}

/** At most one word of each group, in the order of the groups. */
function choose<Word extends string>(
  words: readonly string[],
  groups: readonly (readonly Word[])[],
  complain: Complain,
): Result<readonly (Word | undefined)[], string> {
  const chosen: (Word | undefined)[] = groups.map(() => undefined);
  for (const word of words) {
    const group = groups.findIndex((candidates) => candidates.some((one) => one === word));
    if (group < 0) return complain(`${word} means nothing here; ${groups.flat().join(', ')} do.`);
    const before = chosen[group];
    if (before !== undefined && before !== word) return complain(`it is not both ${before} and ${word}.`);
    chosen[group] = groups[group].find((one) => one === word);
  }
  return ok(chosen);
}

interface Place {
  readonly space: 'gva' | 'gpa';
  readonly symbol: string | undefined;
  readonly address: bigint;
  readonly length: bigint | undefined;
}

/** `main`, `0x1000`, `gpa@0x1000`, each with `+LENGTH`. */
function parsePlace(text: string, complain: Complain): Result<Place, string> {
  const match = /^(?:(gva|gpa)@)?([^+]*)(?:\+(.*))?$/.exec(text);
  const space = match?.[1] === 'gpa' ? 'gpa' : 'gva';
  const where = match?.[2] ?? '';
  const length = match?.[3] === undefined ? undefined : parseSize(match[3]);
  if (where === '' || length === 0n || (match?.[3] !== undefined && length === undefined)) {
    return complain(`${text} is no address.`);
  }
  if (!/^[0-9]/.test(where)) {
    if (space === 'gpa') return complain(`${where}: a symbol is a gva, not a gpa.`);
    return ok({ space, symbol: where, address: 0n, length });
  }
  const address = parseSize(where);
  if (address === undefined || address > U64_MAX) return complain(`${text} is no address.`);
  return ok({ space, symbol: undefined, address, length });
}

function mmioSpec(place: string, words: readonly string[], complain: Complain): Result<Spec, string> {
  const range = parseRange(place, GPA_SPACE);
  if (range === undefined) return complain(`${place} is no range of guest physical addresses (GPA+LENGTH, or any).`);
  if (range.start + range.length > GPA_SPACE) return complain('a guest physical address has 52 bits.');
  let access: 'any' | 'read' | 'write' = 'any';
  let freshness: 'any' | 'fresh' | 'stale' = 'any';
  const both = (one: string, other: string): Result<never, string> =>
    complain(`no fault is both ${one} and ${other}; leave both out for either.`);
  const outcomes: MmioOutcome[] = [];
  for (const word of words) {
    if (word === 'read' || word === 'write') {
      if (access !== 'any' && access !== word) return both(access, word);
      access = word;
    } else if (word === 'fresh' || word === 'stale') {
      if (freshness !== 'any' && freshness !== word) return both(freshness, word);
      freshness = word;
    } else if (word !== 'any') {
      for (const name of word.split(',')) {
        const outcome = MMIO_OUTCOMES.find((known) => known === name.toUpperCase());
        if (outcome === undefined) {
          return complain(
            `${name} is neither read, write, fresh, stale, once, hit=N nor an outcome (${MMIO_OUTCOMES.join(', ')}).`,
          );
        }
        outcomes.push(outcome);
      }
    }
  }
  return ok({ kind: 'mmio', ...range, access, outcomes, freshness });
}

/** @param length unless the text says one: the rest of the page */
function parseRange(
  place: string,
  space: bigint,
  length?: bigint,
): { readonly start: bigint; readonly length: bigint } | undefined {
  if (place === 'any') return { start: 0n, length: space };
  const [from, by, ...more] = place.split('+');
  const start = parseSize(from);
  if (start === undefined || more.length > 0) return undefined;
  if (by === undefined) return { start, length: length ?? PAGE - (start % PAGE) };
  const size = parseSize(by);
  return size === undefined || size === 0n ? undefined : { start, length: size };
}

interface BreakOptions {
  readonly once: boolean;
  readonly stopAtHit: number;
  readonly hitMode: 'from' | 'at' | 'every';
  readonly vcpu: number | undefined;
  readonly rest: readonly string[];
  readonly bad: string | undefined;
}

const HIT_WORDS = { hit: 'from', at: 'at', every: 'every' } as const;
const OPTION = /^(hit|at|every|vcpu)=(.*)$/;

function takeOptions(words: readonly string[]): BreakOptions {
  let stopAtHit = 1;
  let hitMode: BreakOptions['hitMode'] = 'from';
  let vcpu: number | undefined;
  let bad: string | undefined;
  for (const word of words) {
    const [, name, value] = OPTION.exec(word) ?? [];
    if (name === undefined) continue;
    const number = value === '' ? Number.NaN : Number(value);
    if (name === 'vcpu') {
      vcpu = number;
      if (!Number.isInteger(number) || number < 0 || number > 7) bad = 'vcpu=N takes a number from 0 to 7.';
    } else if (name === 'hit' || name === 'at' || name === 'every') {
      stopAtHit = number;
      hitMode = HIT_WORDS[name];
      if (!Number.isInteger(number) || number < 1 || number > 2 ** 31) bad = `${name}=N takes a whole number from 1.`;
    }
  }
  const rest = words.filter((word) => word !== '' && word !== 'once' && !OPTION.test(word));
  return { once: words.includes('once'), stopAtHit, hitMode, vcpu, rest, bad };
}
