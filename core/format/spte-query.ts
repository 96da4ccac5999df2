/** What is typed into the filter of the spte table, and the filter in those words. */
import type { Params } from '../protocol/requests.ts';
import type { MemslotSnapshot } from '../protocol/snapshots.ts';
import { formatGfn, formatHex, parseHex } from './address-text.ts';

export type SpteFilter = Params<'sptes.rows'>['filter'];
/** What a query decides; kind, freshness and order are chosen elsewhere. */
export type SptePlace = Pick<
  SpteFilter,
  'gfnStart' | 'gfnLength' | 'page' | 'level' | 'role' | 'genFirst' | 'genLast' | 'mask' | 'bits'
>;

export type QueryAnswer =
  { readonly ok: true; readonly place: SptePlace } | { readonly ok: false; readonly message: string };

export const QUERY_HINT =
  'feb00 or feb00-feb0f (gfns), gpa:…, slot:2, level:1, page:12, role:0x…, gen:5, gen<5, gen>5, bits:0x2 (set) or bits:0x2=0';
export const SPTE_QUERY_NAMES = ['gfn', 'gpa', 'slot', 'level', 'page', 'role', 'gen', 'bits'] as const;
const MAX_GFN = 2 ** 40;

/**
 * Words with spaces between them, all of which hold: `feb00`, `feb00-feb0f`, `gpa:feb00000`, `slot:2`, `level:1`, `page:12`,
 * `role:0x2041`, `gen:5`, `gen:2-5`, `gen<5`, `gen>5`, `bits:0x6` (all of them set), `bits:0x6=2` (those of a mask).
 * @param slots of address space 0, for `slot:`
 */
export function parseSpteQuery(
  text: string,
  slots: readonly Pick<MemslotSnapshot, 'id' | 'gpa' | 'size'>[],
): QueryAnswer {
  let place: SptePlace = {};
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const part = parseWord(word.toLowerCase(), slots);
    if (typeof part === 'string') return { ok: false, message: part };
    place = { ...place, ...part };
  }
  return { ok: true, place };
}

/** Whether a word means to be one of the query, right or wrong. */
export const isQueryWord = (word: string): boolean =>
  SPTE_QUERY_NAMES.some((name) => word.toLowerCase().startsWith(`${name}:`)) || /^gen[<>=]/i.test(word);

function parseWord(word: string, slots: readonly Pick<MemslotSnapshot, 'id' | 'gpa' | 'size'>[]): SptePlace | string {
  const [, name = 'gfn', rest] = /^(?:([a-z]+):)?(.*)$/.exec(word) ?? [];
  const compared = /^gen([<>]=?|=)(.*)$/.exec(word);
  if (compared) return generations(compared[1], compared[2]);
  switch (name) {
    case 'gen':
      return generations('=', rest);
    case 'bits':
      return bitsOf(rest);
    case 'gfn':
      return gfnRange(rest, 0n);
    case 'gpa':
      return gfnRange(rest, 12n);
    case 'slot': {
      const slot = slots.find(({ id }) => String(id) === rest);
      return slot
        ? { gfnStart: Number(slot.gpa >> 12n), gfnLength: Math.max(1, Number(slot.size >> 12n)) }
        : `There is no slot ${rest}.`;
    }
    case 'level': {
      return /^[1-5]$/.test(rest) ? { level: Number(rest) } : 'A level is 1 to 5.';
    }
    case 'page':
      return /^\d{1,5}$/.test(rest) && Number(rest) <= 32767 ? { page: Number(rest) } : 'A shadow page is a number.';
    case 'role': {
      const role = parseHex(rest);
      return role !== undefined && role <= 0xffff_ffffn
        ? { role: Number(role) }
        : 'A role is a word of 32 bits, hexadecimal.';
    }
    default:
      return `${name}: is none of ${SPTE_QUERY_NAMES.join(', ')}.`;
  }
}

const MAX_GENERATION = 2 ** 32;
const GENERATION_WORDS = 'A generation is gen:5, gen:2-5, gen<5 or gen>5.';

/** Decimal or 0x…, as the window writes generations both ways. */
function generations(sign: string, text: string): SptePlace | string {
  const [first, last, ...more] = text
    .split('-')
    .map((one) => (/^(?:0x[0-9a-f]+|[0-9]+)$/.test(one) ? Number(one) : NaN));
  const isRange = last !== undefined;
  const values = isRange ? [first, last] : [first];
  if (more.length > 0 || values.some((value) => !(value <= MAX_GENERATION))) return GENERATION_WORDS;
  if (isRange) return sign === '=' && last >= first ? { genFirst: first, genLast: last } : GENERATION_WORDS;
  if (sign === '=') return { genFirst: first, genLast: first };
  if (sign.startsWith('>')) return { genFirst: sign === '>' ? first + 1 : first };
  const genLast = sign === '<' ? first - 1 : first;
  return genLast < 0 ? 'No generation is below 0.' : { genFirst: 0, genLast };
}

const MAX_VALUE = (1n << 64n) - 1n;

function bitsOf(text: string): SptePlace | string {
  const [mask, bits = mask, ...more] = text.split('=').map(parseHex);
  if (mask === undefined || bits === undefined || mask > MAX_VALUE || more.length > 0) {
    return 'Bits are bits:0x6 (all of them set) or bits:0x6=2 (a mask and what it is to give).';
  }
  return (bits & ~mask) === 0n
    ? { mask, bits }
    : `${formatHex(bits)} has bits that the mask ${formatHex(mask)} has not.`;
}

function gfnRange(text: string, shift: bigint): SptePlace | string {
  const [first, last = first, ...more] = text.split('-').map(parseHex);
  if (first === undefined || last === undefined || more.length > 0 || last < first) {
    return 'A range of gfns is feb00 or feb00-feb0f, hexadecimal; others are slot:2, level:1, page:12, gen<5, bits:0x2.';
  }
  const start = Number(first >> shift);
  const end = Number(last >> shift);
  return end >= MAX_GFN ? 'A gfn has at most 40 bits.' : { gfnStart: start, gfnLength: end - start + 1 };
}

/** The query that says the same. */
export function queryOf({ gfnStart, gfnLength = 1, page, level, role, ...others }: SptePlace): string {
  return [
    gfnStart === undefined ? '' : gfnText(gfnStart, gfnLength),
    page === undefined ? '' : `page:${page}`,
    level === undefined ? '' : `level:${level}`,
    role === undefined ? '' : `role:${formatHex(role)}`,
    generationText(others),
    bitsText(others),
  ]
    .filter(Boolean)
    .join(' ');
}

function generationText({ genFirst, genLast }: SptePlace): string {
  if (genFirst === undefined && genLast === undefined) return '';
  if (genLast === undefined) return `gen>=${formatHex(genFirst ?? 0)}`;
  if (genFirst === genLast) return `gen:${formatHex(genLast)}`;
  return genFirst === undefined || genFirst === 0
    ? `gen<=${formatHex(genLast)}`
    : `gen:${formatHex(genFirst)}-${formatHex(genLast)}`;
}

function bitsText({ mask, bits = mask }: SptePlace): string {
  if (mask === undefined || bits === undefined) return '';
  return mask === bits ? `bits:${formatHex(mask)}` : `bits:${formatHex(mask)}=${formatHex(bits)}`;
}

const gfnText = (start: number, length: number): string =>
  length === 1 ? formatGfn(start) : `${formatGfn(start)}-${formatGfn(start + length - 1)}`;
