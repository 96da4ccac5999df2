import { describe, expect, it } from 'vitest';
import { formatCount, formatPlural, formatRate, formatSize } from '../../../core/format/quantity.ts';

/** The digits are grouped by a narrow no-break space; a plain one reads better here. */
const plain = (text: string): string => text.replaceAll('\u202f', ' ');

describe('quantities for people', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [1000, '1 000'],
    [1234567, '1 234 567'],
    [18446744073709551615n, '18 446 744 073 709 551 615'],
  ])('a count of %s', (count, text) => {
    expect(plain(formatCount(count))).toBe(text);
  });

  it.each([
    [0n, '0 B'],
    [4096n, '4 KiB'],
    [0xa0000n, '640 KiB'],
    [0x7f0_0000n, '127 MiB'],
    [0x6000_0000n, '1.5 GiB'],
    [1n << 52n, '4 PiB'],
  ])('a size of %s bytes', (bytes, text) => {
    expect(plain(formatSize(bytes))).toBe(text);
  });

  it.each([
    [0, '0 /s'],
    [1500, '1.5 k/s'],
    [41_000_000, '41.0 M/s'],
    [1_200_000_000, '1.2 G/s'],
  ])('a rate of %s', (rate, text) => {
    expect(plain(formatRate(rate))).toBe(text);
  });

  it('one is no plural', () => {
    expect(plain(formatPlural(1, 'hit'))).toBe('1 hit');
    expect(plain(formatPlural(0, 'hit'))).toBe('0 hits');
    expect(plain(formatPlural(1000, 'hit'))).toBe('1 000 hits');
  });
});
