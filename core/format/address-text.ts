/** Addresses and 64-bit values as people write and read them. */
import type { AddressSpace } from '../protocol/snapshots.ts';

const U64_MAX = (1n << 64n) - 1n;

/** `0x` and at least `digits` hexadecimal digits. */
export const formatHex = (value: bigint | number, digits = 1): string =>
  `0x${value.toString(16).padStart(digits, '0')}`;

/** An address at the width people know it by: 8 digits where that is enough, 16 above 4 GiB. */
export const formatAddress = (value: bigint): string => formatHex(value, value > 0xffff_ffffn ? 16 : 8);

/** A frame number, without leading zeros. */
export const formatGfn = (gfn: number): string => formatHex(gfn);

/** The 64 bits of an spte or register in full. */
export const formatU64 = (value: bigint): string => formatHex(value, 16);

const withoutSeparators = (text: string): string => text.trim().replaceAll(/[_`']/g, '');

/**
 * A hexadecimal number with or without `0x`; digit separators of C++, WinDbg and our own (`'`, `` ` ``, `_`) are allowed.
 * @returns undefined when it is no such number or has more than 64 bits
 */
export function parseHex(text: string): bigint | undefined {
  const digits = withoutSeparators(text).replace(/^0x/i, '');
  if (!/^[0-9a-f]+$/i.test(digits)) return undefined;
  const value = BigInt(`0x${digits}`);
  return value <= U64_MAX ? value : undefined;
}

const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  k: 1n << 10n,
  m: 1n << 20n,
  g: 1n << 30n,
  t: 1n << 40n,
};

/** A size: hexadecimal with `0x`, else decimal, with K, M, G or T behind it if wanted (powers of 1024). */
export function parseSize(text: string): bigint | undefined {
  const match = /^(0x[0-9a-f]+|[0-9]+)([kmgt]?)(?:i?b)?$/i.exec(withoutSeparators(text));
  if (match === null) return undefined;
  const value = BigInt(match[1]) * UNITS[match[2].toLowerCase()];
  return value <= U64_MAX ? value : undefined;
}

export interface ParsedAddress {
  readonly space: AddressSpace;
  readonly address: bigint;
}

/** `gva:`, `gpa:`, `hva:` or `gfn:` and a hexadecimal number; without a prefix the space is `fallback`. */
export function parseAddress(text: string, fallback: AddressSpace): ParsedAddress | undefined {
  const match = /^(?:(gva|gpa|hva|gfn)\s*:)?(.*)$/i.exec(text.trim());
  const address = parseHex(match?.[2] ?? '');
  if (match === null || address === undefined) return undefined;
  const prefix = match[1]?.toLowerCase();
  if (prefix === 'gfn') return address > U64_MAX >> 12n ? undefined : { space: 'gpa', address: address << 12n };
  if (prefix === 'gva' || prefix === 'gpa' || prefix === 'hva') return { space: prefix, address };
  return { space: fallback, address };
}
