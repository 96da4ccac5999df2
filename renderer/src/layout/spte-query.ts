/** What is typed into the filter of the spte table, and the filter in those words. */
import type { MemslotSnapshot, Params } from '@core/protocol/index.ts';
import { formatGfn, formatHex, parseHex } from '@core/format/address-text.ts';

export type SpteFilter = Params<'sptes.rows'>['filter'];
/** What a query decides; kind, freshness and order are chosen elsewhere. */
export type SptePlace = Pick<SpteFilter, 'gfnStart' | 'gfnLength' | 'page' | 'level' | 'role'>;

export type QueryAnswer =
  { readonly ok: true; readonly place: SptePlace } | { readonly ok: false; readonly message: string };

export const QUERY_HINT = 'gfn, gfn-gfn, gpa:…, slot:2, level:1, page:12, role:0x…';
const MAX_GFN = 2 ** 40;

/**
 * Words with spaces between them: `feb00`, `feb00-feb0f`, `gpa:feb00000`, `slot:2`, `level:1`, `page:12`, `role:0x2041`.
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

function parseWord(word: string, slots: readonly Pick<MemslotSnapshot, 'id' | 'gpa' | 'size'>[]): SptePlace | string {
  const [, name = 'gfn', rest] = /^(?:([a-z]+):)?(.*)$/.exec(word) ?? [];
  switch (name) {
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
      return `${name}: is none of gfn, gpa, slot, level, page, role.`;
  }
}

function gfnRange(text: string, shift: bigint): SptePlace | string {
  const [first, last = first, ...more] = text.split('-').map(parseHex);
  if (first === undefined || last === undefined || more.length > 0 || last < first) {
    return 'A range is feb00 or feb00-feb0f, hexadecimal.';
  }
  const start = Number(first >> shift);
  const end = Number(last >> shift);
  return end >= MAX_GFN ? 'A gfn has at most 40 bits.' : { gfnStart: start, gfnLength: end - start + 1 };
}

/** The query that says the same. */
export function queryOf({ gfnStart, gfnLength = 1, page, level, role }: SptePlace): string {
  return [
    gfnStart === undefined ? '' : gfnText(gfnStart, gfnLength),
    page === undefined ? '' : `page:${page}`,
    level === undefined ? '' : `level:${level}`,
    role === undefined ? '' : `role:${formatHex(role)}`,
  ]
    .filter(Boolean)
    .join(' ');
}

const gfnText = (start: number, length: number): string =>
  length === 1 ? formatGfn(start) : `${formatGfn(start)}-${formatGfn(start + length - 1)}`;
