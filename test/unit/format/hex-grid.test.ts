import { describe, expect, it } from 'vitest';
import { formatBytes, hexRows, parseBytes } from '../../../core/format/hex-grid.ts';
import type { MemorySnapshot } from '../../../core/protocol/snapshots.ts';

const moment = { epoch: 1, live: false, insns: 0, memslotsGeneration: 0n, mmioGeneration: 0 };
const snapshot = (spans: MemorySnapshot['spans'], address = 0x1000n): MemorySnapshot => ({
  moment,
  space: 'gpa',
  address,
  spans,
});

describe('a hex view', () => {
  it('shows bytes as pairs of digits and as text, a dot for what cannot be printed', () => {
    const bytes = Uint8Array.of(0x41, 0x00, 0x7e, 0x7f);
    const [row] = hexRows(snapshot([{ kind: 'bytes', offset: 0, length: 4, bytes }]), 4);
    expect(row.cells.map(({ text }) => text)).toEqual(['41', '00', '7e', '7f']);
    expect(row.cells.map(({ character }) => character).join('')).toBe('A.~.');
    expect(row.address).toBe(0x1000n);
  });

  it('invents no byte where none can be read', () => {
    const [row] = hexRows(snapshot([{ kind: 'unreadable', offset: 0, length: 2, reason: 'not mapped' }]), 2);
    expect(row.cells.map(({ text, value, note }) => [text, value, note])).toEqual([
      ['--', undefined, 'not mapped'],
      ['--', undefined, 'not mapped'],
    ]);
  });

  it('tells the bytes of a device from those of memory, and a device that cannot be peeked from both', () => {
    const [row] = hexRows(
      snapshot([
        { kind: 'bytes', offset: 0, length: 1, bytes: Uint8Array.of(0) },
        { kind: 'mmio', offset: 1, length: 1, device: 'bank', bytes: Uint8Array.of(0) },
        { kind: 'mmio', offset: 2, length: 1, device: undefined, bytes: undefined },
      ]),
      3,
    );
    expect(row.cells.map(({ kind, text }) => [kind, text])).toEqual([
      ['byte', '00'],
      ['mmio', '00'],
      ['mmio', '··'],
    ]);
    expect(row.cells[2].note).toBe('no device claims it');
  });

  it('fills the last row with nothing', () => {
    const rows = hexRows(snapshot([{ kind: 'bytes', offset: 0, length: 5, bytes: new Uint8Array(5) }]), 4);
    expect(rows).toHaveLength(2);
    expect(rows[1].cells.map(({ kind }) => kind)).toEqual(['byte', 'unknown', 'unknown', 'unknown']);
  });
});

describe('bytes as they are typed', () => {
  it('are pairs of hexadecimal digits, with spaces or without', () => {
    expect(parseBytes('8b 45fc')).toEqual(Uint8Array.of(0x8b, 0x45, 0xfc));
    expect(formatBytes(Uint8Array.of(0x8b, 0x05))).toBe('8b 05');
  });

  it.each(['', '8', '8b4', 'zz'])('and %j is none', (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });
});
