import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { radixOrder } from '../../../core/debug/sptes/radix-order.ts';
import { finish } from '../../../core/debug/sptes/work-steps.ts';

const keysOf = (values: readonly bigint[]) => ({
  low: Uint32Array.from(values, (value) => Number(value & 0xffff_ffffn)),
  high: Uint32Array.from(values, (value) => Number(value >> 32n)),
});

describe('radixOrder', () => {
  it('orders rows by 64-bit keys and leaves equal ones in order', () => {
    const key = fc.oneof(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.bigInt({ min: 0n, max: 3n }));
    fc.assert(
      fc.property(fc.array(key, { maxLength: 300 }), (values) => {
        const rows = Uint32Array.from(values.keys());
        const expected = [...values.keys()].toSorted((a, b) =>
          values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : a - b,
        );
        expect([...finish(radixOrder(rows, keysOf(values)))]).toEqual(expected);
      }),
    );
  });

  it('leaves the rows it was given alone', () => {
    const rows = Uint32Array.of(0, 1, 2);
    expect([...finish(radixOrder(rows, keysOf([0x1_0002_0003n, 0x2n, 0x3_0000n])))]).toEqual([1, 2, 0]);
    expect([...rows]).toEqual([0, 1, 2]);
  });
});
