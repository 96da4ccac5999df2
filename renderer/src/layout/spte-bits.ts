/** A decoded spte laid out for the bit strip: one cell a bit, one row a field. */
import type { DecodedSpte, EntryField } from '@core/protocol/index.ts';
import { formatHex } from '@core/format/address-text.ts';

export interface BitCell {
  readonly bit: number;
  readonly digit: '0' | '1';
  readonly role: EntryField['role'];
  /** Index of the field, −1 for a bit of none. */
  readonly field: number;
  /** Whether the next bit to the right belongs to another field. */
  readonly isFieldEnd: boolean;
  /** Number of the bit, at the beginning of a field and of a row. */
  readonly label: string;
  readonly title: string;
}

/** Fields narrower than this get no number of their own: it would run into the next. */
const LABEL_BITS = 2;

/** From bit 63 down to bit 0, as manuals draw them. */
export function bitCells({ fields, value }: DecodedSpte): readonly BitCell[] {
  const fieldOf = (bit: number): number => fields.findIndex(({ high, low }) => bit <= high && bit >= low);
  return Array.from({ length: 64 }, (_unused, i) => {
    const bit = 63 - i;
    const index = fieldOf(bit);
    const field = index < 0 ? undefined : fields[index];
    const isStart = field !== undefined && bit === field.high && field.high - field.low + 1 >= LABEL_BITS;
    return {
      bit,
      digit: (value >> BigInt(bit)) & 1n ? '1' : '0',
      role: field?.role ?? 'ignored',
      field: index,
      isFieldEnd: field !== undefined && bit === field.low,
      label: isStart || bit === 63 || bit === 31 ? bit.toString() : '',
      title: field ? `bit ${bit}: ${field.name}` : `bit ${bit}`,
    };
  });
}

export interface FieldRow {
  readonly key: string;
  readonly index: number;
  readonly role: EntryField['role'];
  readonly range: string;
  /** The bits that it takes. */
  readonly mask: bigint;
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

export function fieldRows({ fields, gen }: DecodedSpte, currentGeneration: number): readonly FieldRow[] {
  return fields.map(({ high, low, name, value, meaning, role }, index) => ({
    key: `${high}:${low}`,
    index,
    role,
    range: high === low ? `${high}` : `${high}:${low}`,
    mask: ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low),
    name,
    value: formatHex(value),
    meaning:
      role === 'generation' && gen !== undefined && currentGeneration >= 0
        ? `${meaning}, current ${formatHex(currentGeneration)}`
        : meaning,
  }));
}

/** One line about a decoded spte: `MMIO spte · gfn 0xfee00 · generation 0x7ff69`. */
export function spteSummary({ kind, gen, gfn, access }: DecodedSpte): string {
  return [
    kind === 'mmio' ? 'MMIO spte' : kind,
    gfn === undefined ? '' : `gfn ${formatHex(gfn)}`,
    gen === undefined ? '' : `generation ${formatHex(gen)}`,
    access === undefined ? '' : access === '' ? 'no access bits kept' : `access ${access}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

/** The strip in words, for who does not see it: each field with its bits, from the top. */
export const stripText = (rows: readonly FieldRow[]): string =>
  rows.map(({ range, name, value }) => `bits ${range} ${name} ${value}`).join(', ');
