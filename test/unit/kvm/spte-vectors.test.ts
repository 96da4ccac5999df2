import { describe, expect, it } from 'vitest';
import type { Era, MmuMode } from '../../../core/base/machine-modes.ts';
import { u64FromHalves } from '../../../core/base/address.ts';
import { explainSpte } from '../../../core/kvm/spte/spte-decode.ts';
import { encodeMmioSpte } from '../../../core/kvm/spte/spte-encode.ts';
import { findSpteEra, type SpteEra } from '../../../core/kvm/spte/spte-eras.ts';
import { mmioMagic, type SpteHost } from '../../../core/kvm/spte/spte-magic.ts';
import {
  isMmioSpte,
  isShadowPresentSpte,
  mmioSpteAccess,
  mmioSpteGeneration,
  mmioSpteGfn,
  mmioSpteFormat,
  mmioSpteHigh,
  mmioSpteLow,
} from '../../../core/kvm/spte/spte-mmio.ts';

function era(name: string): SpteEra {
  const found = findSpteEra(name);
  if (found === undefined) throw new Error(`no era ${name}`);
  return found;
}

interface Vector {
  readonly era: string;
  readonly host: SpteHost;
  readonly gfn: bigint;
  readonly access?: number;
  readonly gen: number;
  readonly spte: bigint;
  /** What KVM of that era reads back, where it is not what was put in. */
  readonly readsAs?: number;
}

const ept = (maxPhyAddr: number, l1tfCacheBits?: number): SpteHost => ({ mmu: 'ept', maxPhyAddr, l1tfCacheBits });
const shadow = (maxPhyAddr: number): SpteHost => ({ mmu: 'shadow', maxPhyAddr });
const APIC = 0xfee00n;

const VECTORS: readonly Vector[] = [
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x00000, spte: 0xc0000000fee00006n },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x00001, spte: 0xc0000000fee0000en },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x001ff, spte: 0xc0000000fee00ffen },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x00200, spte: 0xc0100000fee00006n },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x7ff69, spte: 0xfff00000fee00b4en },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x7ff6a, spte: 0xfff00000fee00b56n },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x7fffd, spte: 0xfff00000fee00feen },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x7fffe, spte: 0xfff00000fee00ff6n },
  { era: 'v3.11', host: ept(40), gfn: APIC, gen: 0x7ffff, spte: 0xfff00000fee00ffen },
  { era: 'patch', host: ept(40), gfn: APIC, gen: 0x7ffff, spte: 0xfff00000fee00ffen },
  { era: 'v3.11', host: shadow(40), gfn: APIC, access: 6, gen: 0x7ff69, spte: 0xffffff00fee00b4fn },
  { era: 'v3.11', host: shadow(46), gfn: APIC, access: 2, gen: 0x7ff69, spte: 0xffffc000fee00b4bn },
  { era: 'v3.17', host: ept(40), gfn: APIC, gen: 0xfff6a, spte: 0xfff00000fee00daen },
  { era: 'v3.17', host: ept(40), gfn: APIC, gen: 2, spte: 0xc0000000fee0000en },
  { era: 'v4.19', host: ept(36), gfn: APIC, gen: 0xfff6a, spte: 0x7ff0001ffee00daen },
  { era: 'v4.19', host: ept(39), gfn: APIC, gen: 0xfff6a, spte: 0x7ff0007cfee00daen },
  { era: 'v4.19', host: ept(46), gfn: APIC, gen: 0xfff6a, spte: 0x7ff03e00fee00daen },
  { era: 'v5.1', host: ept(46), gfn: 0n, gen: 2, spte: 0x4020000000000016n },
  { era: 'v5.1', host: ept(46), gfn: 0n, gen: 0x1fe, spte: 0x5fe0000000000ff6n },
  { era: 'v5.1', host: ept(46), gfn: 0n, gen: 0x3fe, spte: 0x7fe0000000000ff6n },
  { era: 'v5.1', host: ept(46), gfn: 0n, gen: 0x400, spte: 0x4000000000000006n, readsAs: 0 },
  { era: 'v5.4', host: ept(46), gfn: 0n, gen: 0, spte: 0x0030000000000006n },
  { era: 'v5.4', host: ept(46), gfn: 0n, gen: 2, spte: 0x0030000000000016n },
  { era: 'v5.4', host: ept(46), gfn: 0n, gen: 4, spte: 0x0070000000000026n },
  { era: 'v5.4', host: ept(46), gfn: 0n, gen: 0x1fe, spte: 0x1ff0000000000ff6n },
  { era: 'v5.6', host: ept(46), gfn: 0n, gen: 2, spte: 0x00b0000000000016n },
  { era: 'v5.6', host: ept(46), gfn: 0n, gen: 0x1fe, spte: 0x7fb0000000000ff6n },
  { era: 'v5.6', host: ept(46), gfn: 0n, gen: 0x200, spte: 0x0030000000000006n, readsAs: 0 },
  { era: 'v5.11', host: ept(46), gfn: APIC, gen: 0, spte: 0x00300000fee00006n },
  { era: 'v5.11', host: ept(46), gfn: APIC, gen: 2, spte: 0x00300000fee00016n },
  { era: 'v5.11', host: ept(46), gfn: APIC, gen: 0x1fe, spte: 0x00300000fee00ff6n },
  { era: 'v5.11', host: ept(46), gfn: APIC, gen: 0x200, spte: 0x00700000fee00006n },
  { era: 'v5.11', host: ept(46), gfn: APIC, gen: 0x3fffe, spte: 0x7ff00000fee00ff6n },
  ...(['v5.13', 'v6.10'] as const).flatMap((name): Vector[] => [
    { era: name, host: ept(46), gfn: APIC, gen: 0, spte: 0x00000000fee00006n },
    { era: name, host: ept(46), gfn: APIC, gen: 2, spte: 0x00000000fee00016n },
    { era: name, host: ept(46), gfn: APIC, gen: 0xfe, spte: 0x00000000fee007f6n },
    { era: name, host: ept(46), gfn: APIC, gen: 0x100, spte: 0x00100000fee00006n },
    { era: name, host: ept(46), gfn: APIC, gen: 0x7fffe, spte: 0x7ff00000fee007f6n },
    { era: name, host: ept(46, 39), gfn: APIC, gen: 2, spte: 0x0000007cfee00016n },
    { era: name, host: ept(46, 46), gfn: APIC, gen: 2, spte: 0x00003e00fee00016n },
    { era: name, host: shadow(46), gfn: APIC, access: 6, gen: 0, spte: 0x00080000fee00007n },
    { era: name, host: shadow(46), gfn: APIC, access: 6, gen: 2, spte: 0x00080000fee00017n },
    { era: name, host: shadow(46), gfn: APIC, access: 6, gen: 0x100, spte: 0x00180000fee00007n },
  ]),
  { era: 'v7.2', host: ept(46), gfn: APIC, gen: 2, spte: 0x00000000fee00016n },
  { era: 'v7.2', host: ept(46), gfn: APIC, gen: 0x7e, spte: 0x00000000fee003f6n },
  { era: 'v7.2', host: ept(46), gfn: APIC, gen: 0x80, spte: 0x00100000fee00006n },
  { era: 'v7.2', host: ept(46), gfn: APIC, gen: 0x100, spte: 0x00200000fee00006n },
  { era: 'v7.2', host: ept(46), gfn: APIC, gen: 0x3fffe, spte: 0x7ff00000fee003f6n },
];

const named = (vector: Vector): readonly [string, Vector] => {
  const { mmu, maxPhyAddr, l1tfCacheBits } = vector.host;
  const l1tf = l1tfCacheBits === undefined ? '' : ` cache bits ${l1tfCacheBits}`;
  return [`${vector.era} ${mmu} phys ${maxPhyAddr}${l1tf} gen 0x${vector.gen.toString(16)}`, vector];
};

describe('an MMIO spte of every era', () => {
  it.each(VECTORS.map(named))('encodes %s', (_name, { era: name, host, gfn, access = 0, gen, spte }) => {
    expect(encodeMmioSpte(era(name), host, { gfn, access, gen })).toEqual({ ok: true, value: spte });
  });

  it.each(VECTORS.map(named))('decodes %s', (_name, { era: name, host, gfn, access = 0, gen, spte, readsAs = gen }) => {
    const text = `${(access & 2) === 0 ? '' : 'w'}${(access & 4) === 0 ? '' : 'u'}`;
    expect(explainSpte(era(name), host, spte)).toMatchObject({ kind: 'mmio', gen: readsAs, gfn, access: text });
  });

  it('keeps access on shadow and NPT, and none on EPT, in every era', () => {
    for (const name of [
      'v3.10',
      'v3.11',
      'v3.17',
      'v4.11',
      'v4.19',
      'v5.1',
      'v5.4',
      'v5.6',
      'v5.11',
      'v5.13',
      'v6.10',
    ]) {
      for (const [mmu, kept] of [
        ['ept', ''],
        ['npt', 'wu'],
        ['shadow', 'wu'],
      ] as const) {
        const host = { mmu, maxPhyAddr: 46 };
        const spte = encodeMmioSpte(era(name), host, { gfn: 0xb8n, access: 7, gen: 0 });
        expect(spte.ok && explainSpte(era(name), host, spte.value)).toMatchObject({
          kind: 'mmio',
          gfn: 0xb8n,
          access: kept,
        });
      }
    }
  });
});

describe('the magic mask of v3.11', () => {
  it.each([
    ['ept', 40, 0xc000000000000006n],
    ['shadow', 32, 0xc00fffff00000001n],
    ['shadow', 36, 0xc00ffff000000001n],
    ['shadow', 39, 0xc00fff8000000001n],
    ['npt', 40, 0xc00fff0000000001n],
    ['shadow', 46, 0xc00fc00000000001n],
    ['npt', 48, 0xc00f000000000001n],
    ['shadow', 52, 0xc000000000000000n],
  ] as const satisfies readonly (readonly [MmuMode, number, bigint])[])(
    'for %s with MAXPHYADDR %i',
    (mmu, phys, mask) => {
      for (const name of ['patch', 'v3.11', 'v3.17']) {
        expect(mmioMagic(era(name), { mmu, maxPhyAddr: phys })).toEqual({ value: mask, mask });
      }
    },
  );

  it('of v3.10 covered far more bits', () => {
    const mask = (mmu: MmuMode, maxPhyAddr: number): bigint => mmioMagic(era('v3.10'), { mmu, maxPhyAddr }).mask;
    expect(mask('ept', 40)).toBe(0x01fe000000000006n);
    expect(mask('shadow', 40)).toBe(0x7fffff0000000001n);
    expect(mask('shadow', 52)).toBe(0x7ff0000000000000n);
  });
});

describe('the codec of the fault path', () => {
  /** What runs as v6.8 has the sptes of 5.13. */
  const RUNS_AS: Readonly<Record<string, Era>> = {
    patch: 'patch',
    'v3.11': 'v3.11',
    'v3.17': 'v3.17',
    'v5.13': 'v6.8',
  };
  const running = VECTORS.flatMap((vector) => {
    const runsAs = RUNS_AS[vector.era];
    return runsAs === undefined ? [] : [{ ...vector, runsAs }];
  });

  it('is tried in every era that runs and keeps a generation', () => {
    const tried = new Set(running.map(({ runsAs }) => runsAs));
    expect(tried).toEqual(new Set(['patch', 'v3.11', 'v3.17', 'v6.8']));
  });

  it.each(running.map((vector) => [named(vector)[0], vector] as const))(
    'agrees with the vector %s',
    (_name, vector) => {
      const { runsAs, host, gfn, access = 0, gen, spte } = vector;
      const format = mmioSpteFormat(runsAs, host);
      const low = mmioSpteLow(format, Number(gfn), access, gen);
      const high = mmioSpteHigh(format, Number(gfn), gen);
      expect(u64FromHalves(low, high)).toBe(spte);
      expect(isMmioSpte(format, low, high)).toBe(true);
      expect(isShadowPresentSpte(format, low, high)).toBe(false);
      expect(mmioSpteGeneration(format, low, high)).toBe(gen);
      expect(mmioSpteGfn(format, low, high)).toBe(Number(gfn));
      expect(mmioSpteAccess(format, low)).toBe(access);
    },
  );
});

describe('an entry that is not MMIO', () => {
  it.each([
    ['v3.11', 'ept', 0x12345c77n, 'present'],
    ['v3.11', 'ept', 0x12200cf7n, 'present'],
    ['v3.11', 'ept', 0n, 'nonpresent'],
    ['v3.11', 'shadow', 0x12345c27n, 'present'],
    ['v5.4', 'ept', 0x1000007abb7007n, 'present'],
    ['v5.4', 'ept', 0x1000005d48fc76n, 'present'],
    ['v5.13', 'ept', 0x5a0n, 'special'],
    ['v6.10', 'ept', 0x80000000000005a0n, 'special'],
    ['v6.10', 'ept', 0x8000000000000000n, 'nonpresent'],
    ['v5.13', 'ept', 0x0600000012345877n | (1n << 11n), 'present'],
    ['v4.11', 'ept', 0x4050000012345cf0n, 'special'],
  ] as const)('of %s %s: %s is %s', (name, mmu, value, kind) => {
    const decoded = explainSpte(era(name), { mmu, maxPhyAddr: 46 }, value);
    expect(decoded).toMatchObject({ kind, gen: undefined, gfn: undefined, access: undefined });
  });

  it('says that the real leaf from a bug report is a misconfiguration', () => {
    const { notes, fields } = explainSpte(era('v5.4'), ept(39), 0x1000005d48fc76n);
    expect(notes).toContain('Writable but not readable: an EPT misconfiguration.');
    expect(fields.find(({ name }) => name === 'A/D state')).toMatchObject({ high: 53, low: 52, value: 1n });
    expect(fields.find(({ name }) => name === 'memory type')).toMatchObject({ value: 6n });
    expect(fields.find(({ name }) => name === 'frame')).toMatchObject({ value: 0x5d48fn });
  });

  it('makes no MMIO sptes from 5.13 on when every physical address bit is used', () => {
    const host = shadow(52);
    expect(explainSpte(era('v5.13'), host, 0x80000fee00007n).kind).toBe('nonpresent');
    expect(encodeMmioSpte(era('v5.13'), host, { gfn: APIC, access: 0, gen: 0 })).toMatchObject({ ok: false });
  });
});

describe('an era', () => {
  it.each([
    ['3.1', 'v3.10'],
    ['v3.10', 'v3.10'],
    ['patch', 'patch'],
    ['3.11', 'v3.11'],
    ['3.16.2', 'v3.11'],
    ['v4.10', 'v3.17'],
    ['4.11-4.18', 'v4.11'],
    ['5.0', 'v4.19'],
    ['5.15', 'v5.13'],
    ['V6.8', 'v5.13'],
    ['6.18', 'v6.10'],
    ['7.2+', 'v7.2'],
  ])('named %s is %s', (name, id) => {
    expect(era(name).id).toBe(id);
  });

  it.each(['', '3.0', '2.6.32', 'linux', '5', 'v5.x', '5.4; rm'])('is not found as %j', (name) => {
    expect(findSpteEra(name)).toBeUndefined();
  });
});
