import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type SymbolEntry, Symbols } from '../../../core/machine/symbols.ts';

const at = (name: string, address: bigint, size = 0, kind: SymbolEntry['kind'] = 'function'): SymbolEntry => ({
  name,
  address,
  size,
  kind,
});

describe('symbols', () => {
  test('an address between two belongs to the lower one as far as that reaches', () => {
    const symbols = new Symbols([at('b', 0x200n, 0x10), at('a', 0x100n, 0x20)]);
    expect(symbols.lookup(0xffn)).toBeUndefined();
    expect(symbols.lookup(0x11fn)).toMatchObject({ symbol: { name: 'a' }, offset: 0x1fn });
    expect(symbols.lookup(0x120n)).toBeUndefined();
    expect(symbols.lookup(0x200n)).toMatchObject({ symbol: { name: 'b' }, offset: 0n });
  });

  test('of several names for one address the function is the one', () => {
    const symbols = new Symbols([at('label', 1n, 0, 'label'), at('object', 1n, 4, 'object'), at('function', 1n, 4)]);
    expect(symbols.lookup(2n)?.symbol.name).toBe('function');
  });

  test('addresses of the upper half are kept whole', () => {
    const symbols = new Symbols([at('high', 0xffff_ffff_8010_0000n, 0x10), at('higher', 0xffff_ffff_8010_0010n, 0x10)]);
    expect(symbols.lookup(0xffff_ffff_8010_000fn)?.symbol.name).toBe('high');
  });

  test('a search puts exact names first, then beginnings, then the rest', () => {
    const symbols = new Symbols([at('my_poll', 1n), at('poller', 2n), at('Poll', 3n), at('other', 4n)]);
    expect(symbols.search('poll', 10).map((s) => s.name)).toEqual(['Poll', 'poller', 'my_poll']);
    expect(symbols.search('poll', 1)).toHaveLength(1);
  });

  test('the binary search finds what a search from end to end finds', () => {
    const entries = fc.array(fc.tuple(fc.bigInt(0n, 300n), fc.nat(20)), { maxLength: 30 });
    fc.assert(
      fc.property(entries, fc.bigInt(0n, 320n), (list, address) => {
        const symbols = new Symbols(list.map(([start, size], i) => at(`s${i}`, start, size)));
        const below = symbols.entries.filter((s) => s.address <= address);
        const nearest = below.filter((s) => s.address === below.at(-1)?.address).at(0);
        const reaches =
          nearest !== undefined && (nearest.size === 0 || address < nearest.address + BigInt(nearest.size));
        expect(symbols.lookup(address)?.symbol).toBe(reaches ? nearest : undefined);
      }),
    );
  });
});
