/** Bytes of memory as they are pasted elsewhere, and bytes that were copied elsewhere as they are pasted here. */
import type { AddressSpace, MemorySnapshot } from '@core/protocol/index.ts';
import { formatAddress, formatHex } from '@core/format/address-text.ts';
import { hexRows, parseBytes } from '@core/format/hex-grid.ts';

export const BYTE_TEXTS = {
  hex: 'hexadecimal',
  text: 'text',
  c: 'an array of C',
  gdb: 'gdb’s x prints them',
} as const;

export type ByteTextKind = keyof typeof BYTE_TEXTS;
export const BYTE_TEXT_KINDS: readonly ByteTextKind[] = ['hex', 'text', 'c', 'gdb'];

export interface TextOfBytes {
  readonly space: AddressSpace;
  readonly first: bigint;
  /** Undefined where there is no byte. */
  readonly bytes: readonly (number | undefined)[];
}

const HEX_A_LINE = 16;
const C_A_LINE = 12;
/** As many as `x/…xb` prints. */
const GDB_A_LINE = 8;

export const bytesOfSnapshot = (snapshot: MemorySnapshot): readonly (number | undefined)[] =>
  hexRows(snapshot, HEX_A_LINE)
    .flatMap(({ cells }) => cells.filter(({ kind }) => kind !== 'unknown'))
    .map(({ value }) => value);

function linesOf<T>(values: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(values.length / size) }, (_unused, n) =>
    values.slice(n * size, (n + 1) * size),
  );
}

const digits = (byte: number | undefined): string => (byte === undefined ? '--' : byte.toString(16).padStart(2, '0'));
const character = (byte: number | undefined): string =>
  byte !== undefined && byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';

function cText({ space, first, bytes }: TextOfBytes): string {
  const lines = linesOf(bytes, C_A_LINE).map((line) => `\t${line.map((byte) => `0x${digits(byte)},`).join(' ')}`);
  const head = `/* ${space} ${formatAddress(first)} */\nstatic const unsigned char bytes[${bytes.length}] = {`;
  return [head, ...lines, '};'].join('\n');
}

/** It stops where gdb would. */
function gdbText({ first, bytes }: TextOfBytes): string {
  const end = bytes.indexOf(undefined);
  const lines = linesOf(end < 0 ? bytes : bytes.slice(0, end), GDB_A_LINE).map((line, n) =>
    [`${formatHex(first + BigInt(n * GDB_A_LINE))}:`, ...line.map((byte) => `0x${digits(byte)}`)].join('\t'),
  );
  const missing = end < 0 ? [] : [`Cannot access memory at address ${formatHex(first + BigInt(end))}`];
  return [...lines, ...missing].join('\n');
}

/** @returns undefined where the text cannot be of what is there: C has no byte that is none */
export function textOfBytes(kind: ByteTextKind, what: TextOfBytes): string | undefined {
  switch (kind) {
    case 'hex':
      return linesOf(what.bytes, HEX_A_LINE)
        .map((line) => line.map(digits).join(' '))
        .join('\n');
    case 'text':
      return what.bytes.map(character).join('');
    case 'c':
      return what.bytes.includes(undefined) ? undefined : cText(what);
    case 'gdb':
      return gdbText(what);
  }
}

/**
 * What was copied as bytes: pairs of digits, an array of C, lines of gdb's `x` or of a hex dump with addresses before a colon.
 * @returns undefined when that is not what the text is
 */
export function parsePastedBytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  const inBraces = /\{([^{}]*)\}/.exec(text)?.[1] ?? text;
  const values = inBraces.replaceAll(/^\s*(?:0x)?[0-9a-f]+(?:\s*<[^>]*>)?:/gim, ' ');
  const tokens = values.split(/[\s,]+/).filter((token) => token !== '');
  const isPrefixed = tokens.some((token) => /^0x/i.test(token));
  // `0x5` is a byte, and `5` none: half of a pair is missing.
  if (isPrefixed && !tokens.every((token) => /^0x[0-9a-f]{1,2}$/i.test(token))) return undefined;
  return parseBytes(tokens.map((token) => (isPrefixed ? token.slice(2).padStart(2, '0') : token)).join(''));
}
