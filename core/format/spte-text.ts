/** A decoded spte for people: a heading, a line a field, and what is to be said about it. And as JSON. */
import type { EntryField } from '../base/entry-field.ts';
import type { DecodedSpte } from '../protocol/snapshots.ts';
import { formatHex, formatU64 } from './address-text.ts';

const KINDS: Readonly<Record<DecodedSpte['kind'], string>> = {
  mmio: 'MMIO spte',
  present: 'present spte',
  nonpresent: 'not present',
  special: 'special spte',
};

/** `63–62`, or `11` for one bit. */
export const fieldBits = ({ high, low }: Pick<EntryField, 'high' | 'low'>): string =>
  high === low ? `${high}` : `${high}–${low}`;

/** `0xfff00000fee00b56  MMIO spte, gen 0x7ff6a, gfn 0xfee00, access none` */
export function spteHeading(spte: DecodedSpte): string {
  const parts = [KINDS[spte.kind]];
  if (spte.gen !== undefined) parts.push(`gen ${formatHex(spte.gen)}`);
  if (spte.gfn !== undefined) parts.push(`gfn ${formatHex(spte.gfn)}`);
  if (spte.access !== undefined) parts.push(`access ${spte.access === '' ? 'none' : spte.access}`);
  return `${formatU64(spte.value)}  ${parts.join(', ')}`;
}

export function spteLines(spte: DecodedSpte): readonly string[] {
  const rows = spte.fields.map(
    (field) => [fieldBits(field), field.name, formatHex(field.value), field.meaning] as const,
  );
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column].length)));
  return [
    spteHeading(spte),
    `  era ${spte.era}, ${spte.mmu}, MAXPHYADDR ${spte.maxPhyAddr}`,
    ...rows.map(([bits, name, value, meaning]) =>
      `  ${bits.padStart(widths[0])}  ${name.padEnd(widths[1])}  ${value.padStart(widths[2])}  ${meaning}`.trimEnd(),
    ),
    ...spte.notes.map((note) => `  note: ${note}`),
  ];
}

/** For programs: 64-bit values and frames as hex strings, numbers as numbers, what does not apply as null. */
export function spteJson(spte: DecodedSpte): Readonly<Record<string, unknown>> {
  return {
    value: formatU64(spte.value),
    era: spte.era,
    mmu: spte.mmu,
    maxPhyAddr: spte.maxPhyAddr,
    kind: spte.kind,
    gen: spte.gen ?? null,
    gfn: spte.gfn === undefined ? null : formatHex(spte.gfn),
    access: spte.access ?? null,
    fields: spte.fields.map(({ name, high, low, value, meaning, role }) => ({
      name,
      high,
      low,
      value: formatHex(value),
      meaning,
      role,
    })),
    notes: spte.notes,
  };
}
