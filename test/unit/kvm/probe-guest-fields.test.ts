import { describe, expect, it } from 'vitest';
import { guestEntryFields, type GuestEntrySetting } from '../../../core/kvm/probe/probe-guest-fields.ts';

const setting = (mode: GuestEntrySetting['mode'], more: Partial<GuestEntrySetting> = {}): GuestEntrySetting => ({
  mode,
  maxPhyAddr: 40,
  nxe: true,
  pse: true,
  ...more,
});

/** `name bits` of every field, from the top. */
const shape = (...args: Parameters<typeof guestEntryFields>): string[] =>
  guestEntryFields(...args).map(({ name, high, low }) => (high === low ? `${name} ${high}` : `${name} ${high}:${low}`));

describe("the fields of a guest's entry", () => {
  it.each([
    [
      '4-level PTE',
      setting('4-level'),
      1,
      true,
      'XD 63,ignored 62:52,reserved 51:40,page 39:12,ignored 11:9,G 8,PAT 7,D 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0',
    ],
    [
      '2 MiB PDE',
      setting('4-level'),
      2,
      true,
      'XD 63,ignored 62:52,reserved 51:40,page 39:21,reserved 20:13,PAT 12,ignored 11:9,G 8,PS 7,D 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0',
    ],
    [
      'PML4E, without NX',
      setting('4-level', { nxe: false }),
      4,
      false,
      'reserved 63,ignored 62:52,reserved 51:40,table 39:12,ignored 11:8,reserved 7,ignored 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0',
    ],
    [
      'PTE with MAXPHYADDR 52',
      setting('4-level', { maxPhyAddr: 52 }),
      1,
      true,
      'XD 63,ignored 62:52,page 51:12,ignored 11:9,G 8,PAT 7,D 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0',
    ],
    [
      'PAE PDPTE',
      setting('pae'),
      3,
      false,
      'reserved 63:40,page directory 39:12,ignored 11:9,reserved 8:5,PCD 4,PWT 3,reserved 2:1,P 0',
    ],
    [
      'PAE PTE',
      setting('pae'),
      1,
      true,
      'XD 63,reserved 62:40,page 39:12,ignored 11:9,G 8,PAT 7,D 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0',
    ],
    ['32-bit PTE', setting('32-bit'), 1, true, 'page 31:12,ignored 11:9,G 8,PAT 7,D 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0'],
    [
      '4 MiB PDE',
      setting('32-bit'),
      2,
      true,
      'page, address bits 31–22 31:22,reserved 21,page, high address bits 20:13,PAT 12,ignored 11:9,G 8,PS 7,D 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0',
    ],
    [
      '4 MiB PDE with MAXPHYADDR 36',
      setting('32-bit', { maxPhyAddr: 36 }),
      2,
      true,
      'page, address bits 31–22 31:22,reserved 21:17,page, high address bits 16:13,PAT 12,ignored 11:9,G 8,PS 7,D 6,A 5,PCD 4,PWT 3,U/S 2,R/W 1,P 0',
    ],
  ] as const)('of a %s are those of the manual', (_name, at, level, leaf, fields) => {
    expect(shape(at, level, leaf, 0n).join(',')).toBe(fields);
  });

  it('carry the value that stands there, and say what it means', () => {
    const fields = guestEntryFields(setting('4-level'), 1, true, 0x8000_0000_0010_5067n);
    const of = (name: string) => fields.find((field) => field.name === name);
    expect(of('page')).toMatchObject({ value: 0x105n, meaning: 'guest physical address 0x105000' });
    expect(of('XD')).toMatchObject({ value: 1n, meaning: 'execution not allowed' });
    expect(of('D')).toMatchObject({ value: 1n, meaning: 'dirty' });
    expect(of('G')).toMatchObject({ value: 0n });
  });
});
