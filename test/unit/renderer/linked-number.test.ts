import { beforeEach, describe, expect, it } from 'vitest';
import { useNumberMenu } from '../../../renderer/src/composables/useNumberMenu.ts';
import {
  addressOfNumber,
  focusOfNumber,
  numberOfRegister,
  numberOfText,
  numberText,
  numberWithSpace,
} from '../../../renderer/src/layout/linked-number.ts';
import type { LinkedNumber } from '../../../renderer/src/layout/linked-number.ts';
import { useNumberHintsStore } from '../../../renderer/src/stores/number-hints-store.ts';
import { useWatchesStore } from '../../../renderer/src/stores/watches-store.ts';
import type { FakeEngine } from './fake-engine.ts';
import { startStores } from './stores.ts';

const EVERY: readonly LinkedNumber[] = [
  { kind: 'gva', address: 0x10_0000n },
  { kind: 'gpa', address: 0xfeb0_0000n },
  { kind: 'hva', address: 0x7f00_0010_0000n },
  { kind: 'code', address: 0x10_0000n },
  { kind: 'gfn', gfn: 0xfeb00 },
  { kind: 'generation', generation: 5 },
  { kind: 'spte', value: 0xffff_ff00_fee0_0b4fn, at: { page: 1, entry: 2, gfn: 0xfee00 } },
  { kind: 'register', name: 'rax', value: 0xffff_ffff_ffff_fffen },
  { kind: 'insns', insns: 1000 },
  { kind: 'port', port: 0x3f8 },
];

let engine: FakeEngine;
beforeEach(async () => {
  localStorage.clear();
  engine = await startStores();
});

describe('a number on screen', () => {
  it.each(EVERY.map((number) => [number.kind, number] as const))(
    'that is a %s has a text, a meaning and a menu with copies',
    async (_kind, number) => {
      expect(numberText(number)).not.toBe('');
      const lines = await useNumberHintsStore().describe(number);
      expect(lines[0]).not.toBe('');
      const titles = useNumberMenu()(number).map(({ title }) => title);
      expect(titles).toEqual(
        expect.arrayContaining(['Copy as hexadecimal', 'Copy as decimal', 'Copy with what it is']),
      );
      expect(new Set(titles).size).toBe(titles.length);
    },
  );

  it('is followed to what it is', () => {
    expect(EVERY.map((number) => focusOfNumber(number)?.kind)).toEqual([
      'address',
      'address',
      'address',
      'code',
      'gfn',
      undefined,
      'spte',
      'address',
      'moment',
      'port',
    ]);
    expect(addressOfNumber({ kind: 'gfn', gfn: 0xfeb00 })).toEqual({ space: 'gpa', address: 0xfeb0_0000n });
    expect(addressOfNumber({ kind: 'insns', insns: 7 })).toBeUndefined();
  });

  it('is copied in every base, and with what it is', async () => {
    const [, gpa] = EVERY;
    for (const { title, run } of useNumberMenu()(gpa)) if (title.startsWith('Copy')) run();
    expect(engine.copied).toEqual(['0xfeb00000', '4272947200', 'gpa:0xfeb00000']);
    expect(numberWithSpace({ kind: 'register', name: 'rax', value: 5n })).toBe('rax = 0x5');
  });

  it('is named at the head of its menu, above what else can be done where it stands', () => {
    const headingOf = (number: LinkedNumber): readonly (string | undefined)[] =>
      useNumberMenu()(number, [{ title: 'Edit it', run: () => undefined }]).map(({ heading }) => heading);
    for (const number of EVERY)
      expect(
        headingOf(number)
          .slice(1)
          .every((heading) => heading === undefined),
      ).toBe(true);
    expect(EVERY.map((number) => headingOf(number)[0])).toEqual([
      'gva 0x00100000',
      'gpa 0xfeb00000',
      'hva 0x00007f0000100000',
      'gva 0x00100000',
      'gfn 0xfeb00, gpa 0xfeb00000',
      'generation 0x5',
      'spte 0xffffff00fee00b4f of gfn 0xfee00',
      'rax = 0xfffffffffffffffe',
      'moment 1\u202f000',
      'port 0x3f8',
    ]);
  });

  it('is watched from its menu', () => {
    useNumberMenu()(EVERY[1])
      .find(({ title }) => title === 'Watch it')
      ?.run();
    expect(useWatchesStore().watches).toMatchObject([{ space: 'gpa', address: 0xfeb0_0000n }]);
  });

  it('says how a generation stands to the current one', async () => {
    const hints = useNumberHintsStore();
    const current = engine.moment.mmioGeneration;
    expect(await hints.describe({ kind: 'generation', generation: current })).toContain(
      'fresh: the current generation',
    );
    expect((await hints.describe({ kind: 'generation', generation: 99 })).join()).toMatch(
      /stale: the current generation is 0x/,
    );
  });

  it('says a register signed where it is negative', async () => {
    const [line] = await useNumberHintsStore().describe(EVERY[7]);
    expect(line).toBe('rax = 0xfffffffffffffffe = 18446744073709551614 = -2');
  });
});

describe('a register', () => {
  const number = (name: string, more = {}) =>
    numberOfRegister({
      name,
      group: 'control',
      bits: 64,
      value: 0x10_3fffn,
      flags: undefined,
      writable: true,
      ...more,
    });

  it('leads where its value points: CR3 to its tables, a pointer to memory, flags and selectors nowhere', () => {
    expect(focusOfNumber(number('rsi'))).toEqual({ kind: 'address', space: 'gva', address: 0x10_3fffn });
    expect(focusOfNumber(number('cr3'))).toEqual({ kind: 'address', space: 'gpa', address: 0x10_3000n });
    expect(focusOfNumber(number('cr0', { flags: ['PE'] }))).toBeUndefined();
    expect(focusOfNumber(number('cs', { hidden: { base: 0n, limit: 0, attributes: 0 } }))).toBeUndefined();
    expect(focusOfNumber(number('pat'))).toBeUndefined();
    expect(numberWithSpace(number('pat'))).toBe('pat = 0x103fff');
  });
});

describe('a number of a trace', () => {
  it('is what the trace says it is, and an spte is of the machine that wrote it', () => {
    const host = { era: 'v3.11', mmu: 'shadow', maxPhyAddr: 40 } as const;
    expect(numberOfText({ kind: 'gpa', value: 1n })).toEqual({ kind: 'gpa', address: 1n });
    expect(numberOfText({ kind: 'code', value: 1n })).toEqual({ kind: 'code', address: 1n });
    expect(numberOfText({ kind: 'gfn', value: 1 })).toEqual({ kind: 'gfn', gfn: 1 });
    expect(numberOfText({ kind: 'insns', value: 1 })).toEqual({ kind: 'insns', insns: 1 });
    const [rax, cr3, efer] = ['rax', 'cr3', 'efer'].map((name) => numberOfText({ kind: 'register', name, value: 1n }));
    expect([rax.kind, cr3.kind, efer.kind]).toEqual(['register', 'gpa', 'value']);
    expect(numberOfText({ kind: 'generation', value: 1 })).toEqual({ kind: 'generation', generation: 1 });
    expect(numberOfText({ kind: 'spte', value: 1n }, host)).toEqual({ kind: 'spte', value: 1n, host });
  });
});
