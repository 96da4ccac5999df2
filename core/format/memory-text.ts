/** Memory for people in units of 1 to 8 bytes, as gdb's x has it. What cannot be read stays visibly unread. */
import type { MemorySnapshot, MemorySpan } from '../protocol/snapshots.ts';
import { formatAddress } from './address-text.ts';

export type UnitBytes = 1 | 2 | 4 | 8;
/** x hexadecimal, d signed, u unsigned, o octal, t binary, c characters. */
export const UNIT_FORMATS = ['x', 'd', 'u', 'o', 't', 'c'] as const;
export type UnitFormat = (typeof UNIT_FORMATS)[number];

const RADIX: Readonly<Record<Exclude<UnitFormat, 'd' | 'c'>, readonly [prefix: string, radix: number]>> = {
  x: ['0x', 16],
  u: ['', 10],
  o: ['0', 8],
  t: ['', 2],
};

/** `gva 0x00100000:` */
const MARGIN = 15;
const WIDE = 200;

/** Digits that the largest value of a unit has, so that columns stand under each other. */
const widthOf = (format: UnitFormat, bytes: UnitBytes): number => {
  if (format === 'c') return 4;
  if (format === 'd') return String(-(1n << BigInt(8 * bytes - 1))).length;
  const [prefix, radix] = RADIX[format];
  return prefix.length + ((1n << BigInt(8 * bytes)) - 1n).toString(radix).length;
};

export function unitText(value: bigint, bytes: UnitBytes, format: UnitFormat): string {
  if (format === 'd') return String(BigInt.asIntN(8 * bytes, value));
  if (format === 'c') {
    const byte = Number(value & 0xffn);
    return byte >= 0x20 && byte < 0x7f ? `'${String.fromCharCode(byte)}'` : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  const [prefix, radix] = RADIX[format];
  const digits = value.toString(radix);
  return `${prefix}${format === 'x' || format === 't' ? digits.padStart(widthOf(format, bytes) - prefix.length, '0') : digits}`;
}

const byteAt = (spans: readonly MemorySpan[], offset: number): number | undefined => {
  const span = spans.find((each) => offset >= each.offset && offset < each.offset + each.length);
  return span === undefined || span.kind === 'unreadable' ? undefined : span.bytes?.[offset - span.offset];
};

/** `gva 0x00100000: 0x000000001badb002 0x…`; then a line for every range that cannot be read, with the reason. */
export function memoryLines(
  { space, address, spans }: MemorySnapshot,
  count: number,
  bytes: UnitBytes,
  format: UnitFormat,
  columns = WIDE,
): readonly string[] {
  const width = widthOf(format, bytes);
  let perLine = format === 'c' ? 16 : format === 't' ? Math.max(1, 8 / bytes) : 16 / bytes;
  while (perLine > 1 && MARGIN + perLine * (width + 1) > columns) perLine /= 2;
  const lines: string[] = [];
  for (let first = 0; first < count; first += perLine) {
    const cells: string[] = [];
    for (let unit = first; unit < Math.min(count, first + perLine); unit++) {
      let value = 0n;
      let isThere = true;
      for (let i = 0; i < bytes; i++) {
        const byte = byteAt(spans, unit * bytes + i);
        if (byte === undefined) isThere = false;
        else value |= BigInt(byte) << BigInt(8 * i);
      }
      cells.push(
        (isThere ? unitText(value, bytes, format) : '-'.repeat(format === 'c' ? 2 : 2 * bytes)).padStart(width),
      );
    }
    lines.push(`${space} ${formatAddress(BigInt.asUintN(64, address + BigInt(first * bytes)))}: ${cells.join(' ')}`);
  }
  return [...lines, ...unreadLines(address, spans)];
}

function unreadLines(address: bigint, spans: readonly MemorySpan[]): readonly string[] {
  return spans.flatMap((span) => {
    const from = formatAddress(BigInt.asUintN(64, address + BigInt(span.offset)));
    if (span.kind === 'unreadable') return [`  ${span.length} bytes at ${from} cannot be read: ${span.reason}`];
    if (span.kind === 'mmio' && span.bytes === undefined) {
      return [`  ${span.length} bytes at ${from} are no memory: ${span.device ?? 'no slot and no device is there'}`];
    }
    return span.kind === 'mmio' ? [`  ${span.length} bytes at ${from} are the device's: ${span.device ?? '?'}`] : [];
  });
}
