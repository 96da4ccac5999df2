/** Memslots, changes and refusals in words. */
import { err, ok, type Result } from '../base/result.ts';
import type { MemslotRefusal, MemslotReport, MemslotsSnapshot, UserMemoryRegion } from '../protocol/snapshots.ts';
import { formatHex } from './address-text.ts';
import { parseIntegerIn, quoteText } from './integer-text.ts';

/** KVM_MEM_* by the names that people type. */
const FLAGS: readonly (readonly [number, string])[] = [
  [1, 'log-dirty'],
  [2, 'readonly'],
];

/** `log-dirty,readonly`; bits without a name as hex; `none` for zero. */
export function memslotFlagsText(flags: number): string {
  const names = FLAGS.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  const rest = (flags & ~FLAGS.reduce((mask, [bit]) => mask | bit, 0)) >>> 0;
  if (rest !== 0) names.push(formatHex(rest));
  return names.length === 0 ? 'none' : names.join(',');
}

/** Names joined by commas, `none`, or one number (so that unknown bits can be tried). */
export function parseMemslotFlags(text: string): Result<number, string> {
  if (text === 'none') return ok(0);
  const number = parseIntegerIn(text, 0, 0xffff_ffff);
  if (number !== undefined) return ok(number);
  let flags = 0;
  for (const name of text.split(',')) {
    const found = FLAGS.find((flag) => flag[1] === name);
    if (found === undefined) {
      const known = FLAGS.map((flag) => flag[1]).join(', ');
      return err(`flag ${quoteText(name)} is not known: use ${known}, none, or a number of up to 32 bits`);
    }
    flags |= found[0];
  }
  return ok(flags);
}

/** `slot 3: gpa [0xfee00000, 0xfee01000) at hva 0x7f0000000000, flags none` */
export function regionText(region: UserMemoryRegion): string {
  const { slot, guestPhysAddr, memorySize, userspaceAddr, flags } = region;
  if (memorySize === 0n) return `slot ${slot}: delete`;
  const range = `[${formatHex(guestPhysAddr)}, ${formatHex(guestPhysAddr + memorySize)})`;
  return `slot ${slot}: gpa ${range} at hva ${formatHex(userspaceAddr)}, flags ${memslotFlagsText(flags)}`;
}

/** `EEXIST (overlap): guest range … overlaps slot 2 …` */
export const refusalText = ({ errno, check, message }: MemslotRefusal): string => `${errno} (${check}): ${message}`;

type Generations = Pick<
  MemslotReport,
  'generationBefore' | 'generationAfter' | 'mmioGenerationBefore' | 'mmioGenerationAfter'
>;

/** `generation 4 → 6, mmio 0x4 → 0x6`; the second half only where the era has one. */
export function generationsText(report: Generations): string {
  const memslots = `generation ${report.generationBefore} → ${report.generationAfter}`;
  if (report.mmioGenerationBefore < 0) return memslots;
  return `${memslots}, mmio ${formatHex(report.mmioGenerationBefore)} → ${formatHex(report.mmioGenerationAfter)}`;
}

const CHANGES: Readonly<Record<MemslotReport['change'], string>> = {
  CREATE: 'a slot is created',
  DELETE: 'the slot is deleted, its INVALID copy being installed first',
  MOVE: 'the slot moves, its INVALID copy being installed first',
  FLAGS_ONLY: 'only flags change',
  NONE: 'everything is as it was, so nothing is installed',
};

export const describeChange = (change: MemslotReport['change']): string => CHANGES[change];

/** `CREATE, memslots generation 4 → 6, 12 MMIO sptes gone stale, 0 shadow pages zapped` */
export const memslotReportText = ({
  change,
  generationBefore,
  generationAfter,
  mmioSptesGoneStale,
  pagesZapped,
}: MemslotReport): string =>
  `${change}, memslots generation ${generationBefore} → ${generationAfter}, ` +
  `${mmioSptesGoneStale} MMIO sptes gone stale, ${pagesZapped} shadow pages zapped`;

/** A line for each slot, then one for each device that claims a range without one. */
export function memslotLines({ slots, devices }: MemslotsSnapshot): readonly string[] {
  const rows = slots.map(({ id, gpa, size, hva, logDirtyPages, readonly, invalid, dirtyPages }) => {
    const flags = memslotFlagsText((logDirtyPages ? 1 : 0) | (readonly ? 2 : 0));
    const dirty = dirtyPages < 0 ? '' : `, ${dirtyPages} dirty pages`;
    const range = `gpa [${formatHex(gpa)}, ${formatHex(gpa + size)})`;
    return `slot ${id}: ${range} at hva ${formatHex(hva)}, flags ${flags}${dirty}${invalid ? ', INVALID' : ''}`;
  });
  const ranges = devices.map(
    ({ name, gpa, size }) => `device ${name}: gpa [${formatHex(gpa)}, ${formatHex(gpa + size)})`,
  );
  return [...(rows.length === 0 ? ['no slots'] : rows), ...ranges];
}
