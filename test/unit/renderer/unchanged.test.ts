import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keepUnchanged } from '../../../renderer/src/api/unchanged.ts';

const line = (address: bigint, text: string) => ({ address, text, bytes: Uint8Array.of(0x90), touches: undefined });

describe('what has not changed', () => {
  it('stays the same object, the parts around it are new', () => {
    const last = { moment: { insns: 1 }, lines: [line(0n, 'nop'), line(1n, 'hlt')] };
    const next = { moment: { insns: 2 }, lines: [line(0n, 'nop'), line(1n, 'ret')] };
    const kept = keepUnchanged(last, next);
    expect(kept).toEqual(next);
    expect(kept.lines[0]).toBe(last.lines[0]);
    expect(kept.lines[1]).not.toBe(last.lines[1]);
  });

  it('is the last answer itself when nothing has', () => {
    const last = { lines: [line(0n, 'nop')], empty: [], none: undefined };
    expect(keepUnchanged(last, structuredClone(last))).toBe(last);
  });

  it('sees a field that is gone, and one that is there without a value', () => {
    expect(keepUnchanged({ a: 1, b: 2 }, { a: 1 })).toEqual({ a: 1 });
    expect(Object.keys(keepUnchanged({ a: 1 }, { a: 1, b: undefined }))).toEqual(['a', 'b']);
  });

  it('tells arrays of bytes by their bytes and by their kind', () => {
    const last = { bytes: Uint8Array.of(1, 2) };
    expect(keepUnchanged(last, { bytes: Uint8Array.of(1, 3) }).bytes).toEqual(Uint8Array.of(1, 3));
    expect(keepUnchanged<unknown>(last, { bytes: Int8Array.of(1, 2) })).toEqual({ bytes: Int8Array.of(1, 2) });
  });

  it('is always equal to the next answer, and leaves both as they were', () => {
    const value = fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: false });
    fc.assert(
      fc.property(value, value, (last, next) => {
        const before = structuredClone([last, next]);
        expect(keepUnchanged(last, next)).toEqual(next);
        expect([last, next]).toEqual(before);
      }),
    );
  });
});
