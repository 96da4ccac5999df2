import { beforeEach, describe, expect, it } from 'vitest';
import { parsePastedBytes, textOfBytes } from '../../../renderer/src/memory-view/byte-texts.ts';
import { useBreakpointsStore } from '../../../renderer/src/stores/breakpoints-store.ts';
import { useEditHistoryStore } from '../../../renderer/src/stores/edit-history-store.ts';
import { rangeText, useMemorySelectionStore } from '../../../renderer/src/stores/memory-selection-store.ts';
import { useNoticesStore } from '../../../renderer/src/stores/notices-store.ts';
import { useWatchesStore } from '../../../renderer/src/stores/watches-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

const BYTES = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0xff];
const READ = { space: 'gpa', first: 0x1000n, bytes: BYTES } as const;
const HOLED = { ...READ, bytes: [0x41, undefined, 0x42] };

describe('bytes as text', () => {
  it('are pairs of digits, sixteen a line', () => {
    expect(textOfBytes('hex', READ)).toBe('7f 45 4c 46 02 01 01 00 ff');
    expect(textOfBytes('hex', { ...READ, bytes: Array.from({ length: 17 }, () => 0) })).toMatch(/^(?:00 ){15}00\n00$/);
    expect(textOfBytes('hex', HOLED)).toBe('41 -- 42');
  });

  it('are the characters that the view shows', () => {
    expect(textOfBytes('text', READ)).toBe('.ELF.....');
    expect(textOfBytes('text', HOLED)).toBe('A.B');
  });

  it('are an array of C, which has every one of them', () => {
    expect(textOfBytes('c', { ...READ, bytes: [0x55, 0xaa] })).toBe(
      '/* gpa 0x00001000 */\nstatic const unsigned char bytes[2] = {\n\t0x55, 0xaa,\n};',
    );
    expect(textOfBytes('c', HOLED)).toBeUndefined();
  });

  it('are what x/9xb prints, up to where it could not read', () => {
    expect(textOfBytes('gdb', READ)).toBe('0x1000:\t0x7f\t0x45\t0x4c\t0x46\t0x02\t0x01\t0x01\t0x00\n0x1008:\t0xff');
    expect(textOfBytes('gdb', HOLED)).toBe('0x1000:\t0x41\nCannot access memory at address 0x1001');
  });

  it('come back from each of these, and from a dump of gdb with symbols', () => {
    for (const kind of ['hex', 'c', 'gdb'] as const) {
      expect(Array.from(parsePastedBytes(textOfBytes(kind, READ) ?? '') ?? [])).toEqual(BYTES);
    }
    expect(Array.from(parsePastedBytes('0x1000 <main+4>:\t0x55\t0x8\n') ?? [])).toEqual([0x55, 8]);
  });

  it.each(['', 'hello', '5', '0x123', '0x55 aa', '41 -- 42'])('are not in %j', (text) => {
    expect(parsePastedBytes(text)).toBeUndefined();
  });
});

describe('the selected bytes of a memory panel', () => {
  let engine: FakeEngine;
  beforeEach(async () => {
    localStorage.clear();
    engine = await startStores();
  });
  const selected = (first: bigint, length: bigint) => {
    const selection = useMemorySelectionStore();
    selection.selectRange({ space: 'gpa', first, length });
    return selection;
  };

  it('reach from where selecting began to where it has come, whichever is first', () => {
    const selection = useMemorySelectionStore();
    selection.select('gpa', 0x10n);
    selection.extendTo(0x0cn);
    expect(selection.range).toEqual({ space: 'gpa', first: 0x0cn, length: 5n });
    selection.extendTo(0x11n);
    expect(selection.range).toEqual({ space: 'gpa', first: 0x10n, length: 2n });
    expect([0x0fn, 0x10n, 0x11n, 0x12n].map(selection.contains)).toEqual([false, true, true, false]);
    selection.collapse();
    expect(selection.range).toEqual({ space: 'gpa', first: 0x11n, length: 1n });
  });

  it('are whole values where the view has values', () => {
    const selection = useMemorySelectionStore();
    selection.unit = 8n;
    selection.select('gva', 0x10n);
    selection.extendTo(0x18n);
    expect(selection.range).toEqual({ space: 'gva', first: 0x10n, length: 16n });
  });

  it('end where 64 bits end', () => {
    const selection = useMemorySelectionStore();
    selection.select('gva', (1n << 64n) - 2n);
    selection.extendTo(1n << 64n);
    expect(selection.range).toEqual({ space: 'gva', first: (1n << 64n) - 2n, length: 2n });
  });

  it('are said with their space', () => {
    expect(rangeText({ space: 'gpa', first: 0xb8000n, length: 16n })).toBe(
      'gpa 0x000b8000 – 0x000b800f, 16\u202fbytes',
    );
    expect(rangeText({ space: 'gpa', first: 0xb8000n, length: 1n })).toBe('gpa 0x000b8000');
  });

  it('are filled with a pattern that is repeated, and taken back as one edit', async () => {
    const selection = selected(0x1000n, 5n);
    expect(await selection.fill(Uint8Array.of(0xde, 0xad))).toBeUndefined();
    await selection.copy('hex');
    expect(engine.copied).toEqual(['de ad de ad de']);
    await useEditHistoryStore().undo();
    await selection.copy('hex');
    expect(engine.copied.at(-1)).not.toBe('de ad de ad de');
  });

  it('become a breakpoint on just their range, but none on host memory', async () => {
    await selected(0x1004n, 12n).breakOn('write');
    expect(useBreakpointsStore().breakpoints.map(({ spec }) => spec)).toMatchObject([
      { kind: 'data', space: 'gpa', start: 0x1004n, length: 12n, access: 'write' },
    ]);
    const selection = useMemorySelectionStore();
    selection.selectRange({ space: 'hva', first: 0x1000n, length: 4n });
    expect(selection.canBreak).toBe(false);
  });

  it('are watched in as few pieces as there are sizes for, where they are few', () => {
    selected(0x1000n, 15n).watch();
    expect(useWatchesStore().watches.map(({ address, size }) => [address, size])).toEqual([
      [0x1000n, 8],
      [0x1008n, 4],
      [0x100cn, 2],
      [0x100en, 1],
    ]);
    expect(selected(0x1000n, 65n).canWatch).toBe(false);
  });

  it('are refused where there are more than can be asked for at once', async () => {
    await selected(0n, 65_537n).copy('hex');
    expect(engine.copied).toEqual([]);
    expect(useNoticesStore().problem?.text).toMatch(/^At most 65.536.bytes can be copied at once/);
  });
});
