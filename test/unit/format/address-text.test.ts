import { describe, expect, it } from 'vitest';
import { formatAddress, formatU64, parseAddress, parseHex, parseSize } from '../../../core/format/address-text.ts';

describe('an address is written', () => {
  it('with 8 digits below 4 GiB and with 16 above', () => {
    expect(formatAddress(0xfeb0_0000n)).toBe('0xfeb00000');
    expect(formatAddress(0x10n)).toBe('0x00000010');
    expect(formatAddress(0x1_0000_0000n)).toBe('0x0000000100000000');
  });

  it('an spte always with 16', () => {
    expect(formatU64(6n)).toBe('0x0000000000000006');
  });
});

describe('a hexadecimal number is read', () => {
  it.each([
    ['0xfee00', 0xfee00n],
    ['FEE00', 0xfee00n],
    ['0xffff_8000_0000_0000', 0xffff_8000_0000_0000n],
    ['ffff`80000000', 0xffff_8000_0000n],
    ["ffff'8000", 0xffff_8000n],
    ['  10 ', 0x10n],
    ['ffffffffffffffff', (1n << 64n) - 1n],
  ])('%s', (text, value) => {
    expect(parseHex(text)).toBe(value);
  });

  it.each(['', '0x', 'xyz', '-1', '1 2', '1ffffffffffffffff'])('and %j is none', (text) => {
    expect(parseHex(text)).toBeUndefined();
  });
});

describe('a size is read', () => {
  it.each([
    ['4096', 4096n],
    ['4K', 4096n],
    ['4 KiB'.replace(' ', ''), 4096n],
    ['128M', 0x800_0000n],
    ['1g', 1n << 30n],
    ['0x1000', 0x1000n],
    ['0', 0n],
  ])('%s', (text, value) => {
    expect(parseSize(text)).toBe(value);
  });

  it.each(['', 'K', '1.5M', '99999999999999T', 'ff'])('and %j is none', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe('an address with its space', () => {
  it.each([
    ['100000', { space: 'gva', address: 0x10_0000n }],
    ['gpa:feb00000', { space: 'gpa', address: 0xfeb0_0000n }],
    ['HVA: 0x7f0000000000', { space: 'hva', address: 0x7f00_0000_0000n }],
    ['gfn:feb00', { space: 'gpa', address: 0xfeb0_0000n }],
  ])('%s', (text, parsed) => {
    expect(parseAddress(text, 'gva')).toEqual(parsed);
  });

  it('a gfn that does not fit into 64 bits as an address is none', () => {
    expect(parseAddress('gfn:ffffffffffffffff', 'gva')).toBeUndefined();
  });
});
