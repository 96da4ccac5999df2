/** How a run of bytes is read as values: little-endian, as an x86 has them. */
import type { HexCell, HexRow } from '@core/format/hex-grid.ts';
import { formatHex } from '@core/format/address-text.ts';

interface ValueType {
  readonly title: string;
  readonly size: 1 | 2 | 4 | 8;
  readonly style: 'hex' | 'unsigned' | 'signed' | 'pointer';
}

/** `bytes` is the view of single bytes; the keys are kept with the layout. */
export const VALUE_TYPES = {
  bytes: { title: 'bytes', size: 1, style: 'hex' },
  x16: { title: 'u16 hex', size: 2, style: 'hex' },
  x32: { title: 'u32 hex', size: 4, style: 'hex' },
  x64: { title: 'u64 hex', size: 8, style: 'hex' },
  u8: { title: 'u8', size: 1, style: 'unsigned' },
  u16: { title: 'u16', size: 2, style: 'unsigned' },
  u32: { title: 'u32', size: 4, style: 'unsigned' },
  u64: { title: 'u64', size: 8, style: 'unsigned' },
  i8: { title: 'i8', size: 1, style: 'signed' },
  i16: { title: 'i16', size: 2, style: 'signed' },
  i32: { title: 'i32', size: 4, style: 'signed' },
  i64: { title: 'i64', size: 8, style: 'signed' },
  p32: { title: '32-bit pointers', size: 4, style: 'pointer' },
  p64: { title: '64-bit pointers', size: 8, style: 'pointer' },
} as const satisfies Readonly<Record<string, ValueType>>;

export type ValueTypeName = keyof typeof VALUE_TYPES;

export const isValueType = (name: unknown): name is ValueTypeName =>
  typeof name === 'string' && Object.hasOwn(VALUE_TYPES, name);

export const VALUE_TYPE_NAMES: readonly ValueTypeName[] = Object.keys(VALUE_TYPES).filter(isValueType);

export interface TypedCell {
  readonly address: bigint;
  /** Undefined where not all of its bytes exist. */
  readonly value: bigint | undefined;
  readonly text: string;
  readonly kind: HexCell['kind'];
  readonly note: string | undefined;
}

function valueOf(cells: readonly HexCell[]): bigint | undefined {
  if (cells.some(({ value }) => value === undefined)) return undefined;
  return cells.reduceRight((sum, { value }) => (sum << 8n) | BigInt(value ?? 0), 0n);
}

export function formatValue(value: bigint, { size, style }: ValueType): string {
  if (style === 'unsigned') return value.toString();
  if (style === 'signed') return BigInt.asIntN(size * 8, value).toString();
  return formatHex(value, size * 2);
}

/** The values of one row. Rows have a multiple of eight bytes. */
export function typedCells(row: HexRow, name: ValueTypeName): readonly TypedCell[] {
  const type = VALUE_TYPES[name];
  const count = Math.floor(row.cells.length / type.size);
  return Array.from({ length: count }, (_unused, i) => {
    const cells = row.cells.slice(i * type.size, (i + 1) * type.size);
    const odd = cells.find(({ kind }) => kind !== 'byte');
    const value = valueOf(cells);
    const text = value === undefined ? '--' : formatValue(value, type);
    return { address: cells[0].address, value, text, kind: odd?.kind ?? 'byte', note: odd?.note };
  });
}

/** Widest text of a type, in characters, so that columns stand still. */
export function typeWidth(name: ValueTypeName): number {
  const { size, style } = VALUE_TYPES[name];
  if (style === 'hex' || style === 'pointer') return 2 + size * 2;
  return ((1n << BigInt(size * 8)) - 1n).toString().length + (style === 'signed' ? 1 : 0);
}

/**
 * What somebody types as a value: hexadecimal with `0x`, else decimal, negative where the type is signed; pointers and hex
 * types are hexadecimal either way.
 * @returns its bytes, undefined when the type cannot hold it
 */
export function parseValue(text: string, name: ValueTypeName): Uint8Array<ArrayBuffer> | undefined {
  const { size, style } = VALUE_TYPES[name];
  const wanted = text.trim().replaceAll(/[_'`]/g, '');
  const isHexType = style === 'hex' || style === 'pointer';
  const match = /^(-?)(0x)?([0-9a-f]+)$/i.exec(wanted);
  if (match === null) return undefined;
  const [, sign, prefix, digits] = match;
  const isHex = prefix !== undefined || isHexType;
  if (!isHex && !/^[0-9]+$/.test(digits)) return undefined;
  const magnitude = BigInt(isHex ? `0x${digits}` : digits);
  const value = sign === '-' ? -magnitude : magnitude;
  const bits = BigInt(size * 8);
  const least = style === 'signed' ? -(1n << (bits - 1n)) : 0n;
  const most = style === 'signed' && !isHex ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  if (value < least || value > most) return undefined;
  const unsigned = BigInt.asUintN(Number(bits), value);
  return Uint8Array.from({ length: size }, (_unused, i) => Number((unsigned >> BigInt(i * 8)) & 0xffn));
}
