import { describe, expect, it } from 'vitest';
import { bitCells, fieldRows, spteSummary } from '../../../renderer/src/layout/spte-bits.ts';
import { fakeDecode } from './fake-snapshots.ts';

// gfn 0xfee00 at generation 0x200 under EPT.
const decoded = fakeDecode({ value: 0xc010_0000_fee0_0006n, era: 'patch', mmu: 'ept', maxPhyAddr: 40 });

describe('the bit strip of an spte', () => {
  it('has 64 cells from bit 63 down, with the digits of the value', () => {
    const cells = bitCells(decoded);
    expect(cells.map(({ bit }) => bit)).toEqual(Array.from({ length: 64 }, (_unused, i) => 63 - i));
    expect(BigInt(`0b${cells.map(({ digit }) => digit).join('')}`)).toBe(decoded.value);
  });

  it('gives every bit the role of its field', () => {
    const roles = new Map(bitCells(decoded).map(({ bit, role }) => [bit, role]));
    expect([63, 62, 61, 52, 51, 12, 11, 3, 2, 0].map((bit) => roles.get(bit))).toEqual([
      'magic',
      'magic',
      'generation',
      'generation',
      'gfn',
      'gfn',
      'generation',
      'generation',
      'magic',
      'magic',
    ]);
  });

  it.each([
    ['', 'no access bits kept'],
    ['wu', 'access wu'],
  ])('says of access bits “%s”: %s', (access, words) => {
    expect(spteSummary({ ...decoded, access })).toMatch(new RegExp(` · ${words}$`));
  });

  it('puts the current generation beside the one in the fields', () => {
    const meaning = fieldRows(decoded, 0x201).find(({ range }) => range === '61:52')?.meaning;
    expect(meaning).toMatch(/, current 0x201$/);
  });
});
