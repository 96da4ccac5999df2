/** What is searched for, as it is typed: bytes, a text, or a value. */
import { parseBytes } from '@core/format/hex-grid.ts';
import { parseValue } from './value-types.ts';

export const PATTERN_KINDS = ['bytes', 'text', 'u16', 'u32', 'u64'] as const;
export type PatternKind = (typeof PATTERN_KINDS)[number];

const MAX_BYTES = 256;

export type ParsedPattern =
  { readonly ok: true; readonly bytes: Uint8Array<ArrayBuffer> } | { readonly ok: false; readonly message: string };

const MISTAKES: Readonly<Record<PatternKind, string>> = {
  bytes: 'Bytes are pairs of hexadecimal digits: 55 aa',
  text: 'Type the text to look for.',
  u16: 'A number of at most 16 bits: 0x1f90 or 8080.',
  u32: 'A number of at most 32 bits: 0xfeb00000 or 1234.',
  u64: 'A number of at most 64 bits: 0xffff800000000000 or 1234.',
};

function bytesOf(kind: PatternKind, text: string): Uint8Array<ArrayBuffer> | undefined {
  if (kind === 'bytes') return parseBytes(text);
  if (kind === 'text') return text === '' ? undefined : Uint8Array.from(new TextEncoder().encode(text));
  return parseValue(text, kind);
}

export function parsePattern(kind: PatternKind, text: string): ParsedPattern {
  const bytes = bytesOf(kind, text);
  if (bytes === undefined) return { ok: false, message: MISTAKES[kind] };
  if (bytes.length > MAX_BYTES) return { ok: false, message: `At most ${MAX_BYTES} bytes can be searched for.` };
  return { ok: true, bytes };
}
