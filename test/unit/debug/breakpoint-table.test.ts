import { describe, expect, it } from 'vitest';
import { MMIO_CACHED, MMIO_EMULATE, MMIO_FIRST, MMIO_INVALID } from '../../../core/base/mmio-outcomes.ts';
import { BreakpointTable, type MmioFaultFacts } from '../../../core/debug/breakpoints/breakpoint-table.ts';
import type { BreakpointSpec } from '../../../core/protocol/snapshots.ts';

const always = { enabled: true, once: false, stopAtHit: 1 };
const READ = 0;
const WRITE = 1;

const bank = (changes: Partial<Extract<BreakpointSpec, { kind: 'mmio' }>> = {}): BreakpointSpec => ({
  kind: 'mmio',
  start: 0xfeb0_0000n,
  length: 0x1000n,
  access: 'any',
  outcomes: [],
  freshness: 'any',
  ...changes,
});

const fault = (changes: Partial<MmioFaultFacts> = {}): MmioFaultFacts => ({
  gpaLo: 0xfeb0_0010 | 0,
  gpaHi: 0,
  access: READ,
  outcome: MMIO_EMULATE,
  spteGen: 2,
  kvmGen: 2,
  ...changes,
});

describe('an MMIO breakpoint', () => {
  it.each([
    ['a fault in its range', bank(), fault(), true],
    ['the last byte of its range', bank(), fault({ gpaLo: 0xfeb0_0fff | 0 }), true],
    ['the byte behind its range', bank(), fault({ gpaLo: 0xfeb0_1000 | 0 }), false],
    ['the byte before its range', bank(), fault({ gpaLo: 0xfeaf_ffff | 0 }), false],
    ['the same low half above 4 GiB', bank(), fault({ gpaHi: 1 }), false],
    ['a range above 4 GiB', bank({ start: 0x1_feb0_0000n }), fault({ gpaHi: 1 }), true],
    ['a write when it wants reads', bank({ access: 'read' }), fault({ access: WRITE }), false],
    ['a write when it wants writes', bank({ access: 'write' }), fault({ access: WRITE }), true],
    ['another outcome than the one it wants', bank({ outcomes: ['INVALID'] }), fault(), false],
    ['one of two outcomes', bank({ outcomes: ['INVALID', 'CACHED'] }), fault({ outcome: MMIO_CACHED }), true],
    ['a current generation when it wants fresh', bank({ freshness: 'fresh' }), fault(), true],
    ['an old generation when it wants fresh', bank({ freshness: 'fresh' }), fault({ spteGen: 1 }), false],
    [
      'an old generation when it wants stale',
      bank({ freshness: 'stale' }),
      fault({ spteGen: 1, outcome: MMIO_INVALID }),
      true,
    ],
    ['no spte at all when it wants stale', bank({ freshness: 'stale' }), fault({ spteGen: -1 }), false],
    [
      'no spte at all when it wants fresh',
      bank({ freshness: 'fresh' }),
      fault({ spteGen: -1, outcome: MMIO_FIRST }),
      false,
    ],
  ])('meets %s: stops = last column', (_what, spec, met, stops) => {
    const table = new BreakpointTable();
    const { id } = table.add(spec, always);
    expect(table.hitMmio(met)?.id).toBe(stops ? id : undefined);
    expect(table.list()[0].hits).toBe(stops ? 1 : 0);
  });

  it('is not asked about while it is disabled', () => {
    const table = new BreakpointTable();
    const { id } = table.add(bank(), { ...always, enabled: false });
    expect(table.mmioArmed).toBe(false);
    table.update(id, { enabled: true });
    expect(table.mmioArmed).toBe(true);
  });
});

describe('hit counts', () => {
  it('count every arrival and stop from the wanted one on', () => {
    const table = new BreakpointTable();
    const { id } = table.add({ kind: 'exec', address: 0x10_0000n, symbol: undefined }, { ...always, stopAtHit: 3 });
    expect([1, 2, 3, 4].map(() => table.hitExec(0x10_0000n)?.id)).toEqual([undefined, undefined, id, id]);
    expect(table.list()[0].hits).toBe(4);
  });

  it('start again when the place changes, and not when only the name of it does not', () => {
    const table = new BreakpointTable();
    const { id } = table.add({ kind: 'exec', address: 0x10_0000n, symbol: undefined }, always);
    table.hitExec(0x10_0000n);
    expect(table.update(id, { stopAtHit: 2 })?.hits).toBe(1);
    expect(table.update(id, { spec: { kind: 'exec', address: 0x20_0000n, symbol: undefined } })?.hits).toBe(0);
  });

  it('of two breakpoints at one place both go up, and the older one is the reason', () => {
    const table = new BreakpointTable();
    const spec = { kind: 'exec', address: 0x10_0000n, symbol: undefined } as const;
    const first = table.add(spec, always);
    table.add(spec, always);
    expect(table.hitExec(0x10_0000n)?.id).toBe(first.id);
    expect(table.list().map(({ hits }) => hits)).toEqual([1, 1]);
    expect(table.execAddresses()).toEqual([0x10_0000n]);
  });
});

describe('a breakpoint that is for once', () => {
  it('disables itself when it has stopped', () => {
    const table = new BreakpointTable();
    const { id } = table.add(bank(), { ...always, once: true });
    expect(table.hitMmio(fault())?.id).toBe(id);
    expect(table.hitMmio(fault())).toBeUndefined();
    expect(table.list()[0]).toMatchObject({ enabled: false, hits: 1 });
  });
});

describe('the text of a breakpoint', () => {
  it('says place and condition', () => {
    const table = new BreakpointTable();
    const made = table.add(bank({ access: 'write', outcomes: ['INVALID'], freshness: 'stale' }), always);
    expect(made.text).toBe('MMIO write to gpa 0xfeb00000–0xfeb00fff, outcome INVALID, spte stale');
  });
});
