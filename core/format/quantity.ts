/** Counts, sizes and rates for people. Digits are grouped by a narrow no-break space. */

const GROUP = '\u202f';

/** `1 234 567` */
export function formatCount(value: number | bigint): string {
  return value.toString().replaceAll(/\B(?=(\d{3})+(?!\d))/g, GROUP);
}

const SIZE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'] as const;

/** `4 KiB`, `127 MiB`, `1.5 GiB`: the largest unit that leaves at least 1, with one digit behind the point where it matters. */
export function formatSize(bytes: bigint): string {
  let unit = 0;
  let scaled = bytes;
  while (scaled >= 1024n && unit < SIZE_UNITS.length - 1) {
    scaled >>= 10n;
    unit += 1;
  }
  const exact = Number(bytes) / 1024 ** unit;
  const digits = Number.isInteger(exact) ? exact.toString() : exact.toFixed(exact < 100 ? 1 : 0);
  return `${digits}${GROUP}${SIZE_UNITS[unit]}`;
}

const RATE_UNITS = [
  { at: 1e9, sign: 'G' },
  { at: 1e6, sign: 'M' },
  { at: 1e3, sign: 'k' },
] as const;

/** `23.4 M/s`, or with what is counted `23.4 M insns/s` */
export function formatRate(perSecond: number, counted = ''): string {
  const unit = RATE_UNITS.find(({ at }) => perSecond >= at);
  const per = counted === '' ? '/s' : `${unit ? '\u00a0' : ''}${counted}/s`;
  if (unit === undefined) return `${perSecond.toFixed(0)}${GROUP}${per}`;
  return `${(perSecond / unit.at).toFixed(1)}${GROUP}${unit.sign}${per}`;
}

/** `1 page`, `3 pages` */
export const formatPlural = (count: number, singular: string, plural = `${singular}s`): string =>
  `${formatCount(count)}${GROUP}${count === 1 ? singular : plural}`;
