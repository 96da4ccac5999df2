/** Memory as rows of a hex view. What is not there stays visibly not there. */
import type { MemorySnapshot, MemorySpan } from '../protocol/snapshots.ts';

export type CellKind = 'byte' | 'mmio' | 'unreadable' | 'unknown';

export interface HexCell {
  readonly kind: CellKind;
  readonly address: bigint;
  /** Two hexadecimal digits, `··` for a device that cannot be peeked, `--` where nothing can be read. */
  readonly text: string;
  readonly character: string;
  /** Undefined where no byte exists. */
  readonly value: number | undefined;
  /** Device or reason, for people. */
  readonly note: string | undefined;
}

export interface HexRow {
  readonly address: bigint;
  readonly cells: readonly HexCell[];
}

const spanAt = (spans: readonly MemorySpan[], offset: number): MemorySpan | undefined =>
  spans.find((span) => offset >= span.offset && offset < span.offset + span.length);

const printable = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.');

const byteText = (byte: number): string => byte.toString(16).padStart(2, '0');

function cellAt(spans: readonly MemorySpan[], offset: number, address: bigint): HexCell {
  const span = spanAt(spans, offset);
  if (span === undefined) {
    return { kind: 'unknown', address, text: '  ', character: ' ', value: undefined, note: undefined };
  }
  if (span.kind === 'unreadable') {
    return { kind: 'unreadable', address, text: '--', character: ' ', value: undefined, note: span.reason };
  }
  const value = span.bytes?.[offset - span.offset];
  const note = span.kind === 'mmio' ? (span.device ?? 'no device claims it') : undefined;
  if (value === undefined) return { kind: 'mmio', address, text: '··', character: ' ', value, note };
  return {
    kind: span.kind === 'mmio' ? 'mmio' : 'byte',
    address,
    text: byteText(value),
    character: printable(value),
    value,
    note,
  };
}

/** @param columns bytes a row; the rows begin at the snapshot's own address */
export function hexRows(snapshot: MemorySnapshot, columns: number): readonly HexRow[] {
  const length = snapshot.spans.reduce((end, span) => Math.max(end, span.offset + span.length), 0);
  const rows: HexRow[] = [];
  for (let start = 0; start < length; start += columns) {
    const address = snapshot.address + BigInt(start);
    const cells = Array.from({ length: columns }, (_unused, column) =>
      cellAt(snapshot.spans, start + column, address + BigInt(column)),
    );
    rows.push({ address, cells });
  }
  return rows;
}

/**
 * Bytes as they are typed: hexadecimal pairs, spaces anywhere between pairs.
 * @returns undefined when that is not what the text is
 */
export function parseBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  const digits = text.replaceAll(/\s+/g, '');
  if (digits === '' || digits.length % 2 !== 0 || !/^[0-9a-f]+$/i.test(digits)) return undefined;
  return Uint8Array.from({ length: digits.length / 2 }, (_unused, i) =>
    Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16),
  );
}

/** `8b 45 fc` */
export const formatBytes = (bytes: Uint8Array): string => Array.from(bytes, byteText).join(' ');
