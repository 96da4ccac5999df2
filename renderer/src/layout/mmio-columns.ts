/** Columns of the MMIO log: as wide as what stands in them, so that no digit is cut off where there is room elsewhere. */
import type { MmioFaultRecord } from '@core/protocol/index.ts';
import { formatAddress, formatHex } from '@core/format/address-text.ts';
import { formatCount } from '@core/format/quantity.ts';

/** Of the table's font at its size (styles/tables.css). */
const CHARACTER = 7.25;
const SIGN = 10;

/** Addresses above 4 GiB without their leading zeros: a column of a log has no room for those. */
export const shortAddress = (address: bigint): string =>
  address > 0xffff_ffffn ? formatHex(address) : formatAddress(address);

interface Widest {
  readonly insns: number;
  readonly gpa: bigint;
  readonly gen: number;
  readonly value: bigint;
}

function widestOf(records: readonly MmioFaultRecord[]): Widest {
  let [insns, gpa, gen, value] = [0, 0n, 0, 0n];
  for (const record of records) {
    if (record.insns > insns) insns = record.insns;
    if (record.gpa > gpa) gpa = record.gpa;
    if (record.value > value) value = record.value;
    gen = Math.max(gen, record.spteGen, record.kvmGen);
  }
  return { insns, gpa, gen, value };
}

const pixels = (characters: number): string => `${Math.ceil(Math.max(4, characters) * CHARACTER)}px`;

/** @returns of insns, gpa, access, outcome, generations, value and claim: none narrower than its widest text */
export function mmioColumns(records: readonly MmioFaultRecord[]): string {
  const { insns, gpa, gen, value } = widestOf(records);
  const generations = 2 * formatHex(gen).length + 3;
  return [
    `minmax(${Math.ceil(formatCount(insns).length * CHARACTER) + SIGN}px, 0.8fr)`,
    `minmax(${pixels(shortAddress(gpa).length)}, 0.8fr)`,
    '22px',
    `minmax(${pixels('EMULATE'.length)}, 0.5fr)`,
    `minmax(${pixels(generations)}, 0.7fr)`,
    `minmax(${pixels(formatHex(value).length)}, 0.8fr)`,
    'minmax(48px, 1.4fr)',
  ].join(' ');
}
