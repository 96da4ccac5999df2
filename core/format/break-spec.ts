/**
 * The grammar of breakpoints, as --break of the command line and break of the console take them:
 *
 *     exec:SYMBOL | exec:0xADDRESS                     [:once] [:hit=N]
 *     mmio:GPA[+LENGTH] | mmio:any  [:read|:write] [:fresh|:stale] [:OUTCOME[,OUTCOME]…] [:once] [:hit=N]
 *
 * Numbers are hexadecimal with 0x, else decimal. Without LENGTH the range ends with the page of GPA.
 */
import { parseSize } from './address-text.ts';
import { err, ok, type Result } from '../base/result.ts';
import { MMIO_OUTCOMES, type MmioOutcome } from '../base/mmio-outcomes.ts';
import type { Params } from '../protocol/requests.ts';

export type BreakpointWish = Params<'breakpoints.add'>;

const GPA_SPACE = 1n << 52n;
const U64_MAX = (1n << 64n) - 1n;
const PAGE = 4096n;

/** The error is a sentence. */
export function parseBreakSpec(text: string): Result<BreakpointWish, string> {
  const [kind, place = '', ...words] = text.split(':').map((part) => part.trim());
  const complain = (what: string): Result<never, string> => err(`${text}: ${what}`);
  if (place === '') return complain('say where, as in exec:main or mmio:0xfeb00000+0x1000.');
  if (kind === 'exec') return execSpec(place, words, complain);
  if (kind === 'mmio') return mmioSpec(place, words, complain);
  return complain(`a breakpoint begins with exec: or mmio:, not with ${kind}.`);
}

type Complain = (what: string) => Result<never, string>;

function execSpec(place: string, words: readonly string[], complain: Complain): Result<BreakpointWish, string> {
  const options = takeOptions(words);
  if (options.rest.length > 0) return complain(`${options.rest[0]} means nothing here; once and hit=N do.`);
  if (options.bad !== undefined) return complain(options.bad);
  const { once, stopAtHit } = options;
  if (!/^[0-9]/.test(place)) return ok({ spec: { kind: 'exec', address: 0n, symbol: place }, once, stopAtHit });
  const address = parseSize(place);
  if (address === undefined || address > U64_MAX) return complain(`${place} is no address.`);
  return ok({ spec: { kind: 'exec', address }, once, stopAtHit });
}

function mmioSpec(place: string, words: readonly string[], complain: Complain): Result<BreakpointWish, string> {
  const range = parseRange(place);
  if (range === undefined) return complain(`${place} is no range of guest physical addresses (GPA+LENGTH, or any).`);
  if (range.start + range.length > GPA_SPACE) return complain('a guest physical address has 52 bits.');
  const options = takeOptions(words);
  if (options.bad !== undefined) return complain(options.bad);
  let access: 'any' | 'read' | 'write' = 'any';
  let freshness: 'any' | 'fresh' | 'stale' = 'any';
  const both = (one: string, other: string): Result<never, string> =>
    complain(`no fault is both ${one} and ${other}; leave both out for either.`);
  const outcomes: MmioOutcome[] = [];
  for (const word of options.rest) {
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
  const { once, stopAtHit } = options;
  return ok({ spec: { kind: 'mmio', ...range, access, outcomes, freshness }, once, stopAtHit });
}

function parseRange(place: string): { readonly start: bigint; readonly length: bigint } | undefined {
  if (place === 'any') return { start: 0n, length: GPA_SPACE };
  const [from, by, ...more] = place.split('+');
  const start = parseSize(from);
  if (start === undefined || more.length > 0) return undefined;
  if (by === undefined) return { start, length: PAGE - (start % PAGE) };
  const length = parseSize(by);
  return length === undefined || length === 0n ? undefined : { start, length };
}

interface BreakOptions {
  readonly once: boolean;
  readonly stopAtHit: number;
  readonly rest: readonly string[];
  readonly bad: string | undefined;
}

function takeOptions(words: readonly string[]): BreakOptions {
  const hits = words.filter((word) => word.startsWith('hit='));
  const stopAtHit = hits.length === 0 ? 1 : Number(hits[hits.length - 1].slice(4));
  const isCount = Number.isInteger(stopAtHit) && stopAtHit >= 1 && stopAtHit <= 2 ** 31;
  return {
    once: words.includes('once'),
    stopAtHit,
    rest: words.filter((word) => word !== '' && word !== 'once' && !word.startsWith('hit=')),
    bad: isCount ? undefined : 'hit=N takes a whole number from 1.',
  };
}
