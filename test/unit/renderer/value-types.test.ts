import { describe, expect, it } from 'vitest';
import { hexRows } from '@core/format/hex-grid.ts';
import type { MemorySpan } from '@core/protocol/index.ts';
import { parsePattern } from '../../../renderer/src/memory-view/search-pattern.ts';
import {
  VALUE_TYPES,
  VALUE_TYPE_NAMES,
  formatValue,
  isValueType,
  parseValue,
  typeWidth,
  typedCells,
} from '../../../renderer/src/memory-view/value-types.ts';

const MOMENT = { epoch: 1, live: false, insns: 0, memslotsGeneration: 2n, mmioGeneration: 2 };
const rowOf = (spans: readonly MemorySpan[]) => hexRows({ moment: MOMENT, space: 'gpa', address: 0n, spans }, 8)[0];
const BYTES = Uint8Array.from([0xfe, 0xff, 0xff, 0xff, 0x10, 0x00, 0x10, 0x00]);
const row = rowOf([{ kind: 'bytes', offset: 0, length: 8, bytes: BYTES }]);

describe('values of memory', () => {
  it.each([
    ['x16', ['0xfffe', '0xffff', '0x0010', '0x0010']],
    ['u32', ['4294967294', '1048592']],
    ['i32', ['-2', '1048592']],
    ['i8', ['-2', '-1', '-1', '-1', '16', '0', '16', '0']],
    ['p32', ['0xfffffffe', '0x00100010']],
    ['x64', ['0x00100010fffffffe']],
  ] as const)('are read little-endian as %s', (name, texts) => {
    expect(typedCells(row, name).map(({ text }) => text)).toEqual(texts);
  });

  it('are not made up where a byte is missing', () => {
    const cut = rowOf([
      { kind: 'bytes', offset: 0, length: 6, bytes: BYTES.subarray(0, 6) },
      { kind: 'unreadable', offset: 6, length: 2, reason: 'nothing there' },
    ]);
    expect(typedCells(cut, 'x32').map(({ value, note }) => [value, note])).toEqual([
      [0xffff_fffen, undefined],
      [undefined, 'nothing there'],
    ]);
  });

  it.each([
    ['-2', 'i32', [0xfe, 0xff, 0xff, 0xff]],
    ['0xfffffffe', 'i32', [0xfe, 0xff, 0xff, 0xff]],
    ['258', 'u16', [2, 1]],
    ['0x102', 'u16', [2, 1]],
    ['102', 'x16', [2, 1]],
    ['10_0010', 'p32', [0x10, 0x00, 0x10, 0x00]],
  ] as const)('%s is a value of %s', (text, name, bytes) => {
    expect([...(parseValue(text, name) ?? [])]).toEqual(bytes);
  });

  it.each([
    ['-1', 'u8'],
    ['256', 'u8'],
    ['128', 'i8'],
    ['-129', 'i8'],
    ['ff', 'u8'],
    ['', 'u64'],
    ['0x', 'x64'],
    ['18446744073709551616', 'u64'],
  ] as const)('%j is none of %s', (text, name) => {
    expect(parseValue(text, name)).toBeUndefined();
  });

  it('come back the same from every type, at its widest', () => {
    for (const name of VALUE_TYPE_NAMES) {
      const type = VALUE_TYPES[name];
      const all = BigInt.asUintN(type.size * 8, -1n);
      for (const value of [0n, 1n, all, all >> 1n]) {
        const text = formatValue(value, type);
        expect(text.length).toBeLessThanOrEqual(typeWidth(name));
        const bytes = parseValue(text, name);
        expect(bytes?.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)).toBe(value);
      }
    }
  });

  it('have types by name, and no others', () => {
    expect([isValueType('u64'), isValueType('u65'), isValueType('toString'), isValueType(7)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('what is searched for', () => {
  it.each([
    ['bytes', '55 aa', [0x55, 0xaa]],
    ['text', 'GET', [0x47, 0x45, 0x54]],
    ['u32', '0xfeb00000', [0, 0, 0xb0, 0xfe]],
    ['u16', '513', [1, 2]],
  ] as const)('%s %s', (kind, text, bytes) => {
    const parsed = parsePattern(kind, text);
    expect(parsed.ok && [...parsed.bytes]).toEqual(bytes);
  });

  it.each([
    ['bytes', '5', /pairs of hexadecimal digits/],
    ['text', '', /Type the text/],
    ['u16', '65536', /at most 16 bits/],
    ['text', 'x'.repeat(300), /At most 256 bytes/],
  ] as const)('%s %.10j is refused with a sentence', (kind, text, message) => {
    const parsed = parsePattern(kind, text);
    expect(parsed.ok ? '' : parsed.message).toMatch(message);
  });
});
