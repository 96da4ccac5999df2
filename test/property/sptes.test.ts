import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { u64FromHalves } from '../../core/base/address.ts';
import { ERAS, MMU_MODES } from '../../core/base/machine-modes.ts';
import { explainSpte } from '../../core/kvm/spte/spte-decode.ts';
import { mmioGfnIn } from '../../core/kvm/spte/spte-decode-mmio.ts';
import { encodeMmioSpte } from '../../core/kvm/spte/spte-encode.ts';
import { findSpteEra, SPTE_ERAS, type SpteEra } from '../../core/kvm/spte/spte-eras.ts';
import { gfnPlacement, mmioMagic, type SpteHost } from '../../core/kvm/spte/spte-magic.ts';
import {
  isMmioSpte,
  mmioSpteAccess,
  mmioSpteGeneration,
  mmioSpteGfn,
  mmioSpteFormat,
  mmioSpteHigh,
  mmioSpteLow,
} from '../../core/kvm/spte/spte-mmio.ts';

const RUNS = { numRuns: 400, seed: 311 };

const hosts: fc.Arbitrary<SpteHost> = fc.record({
  mmu: fc.constantFrom(...MMU_MODES),
  maxPhyAddr: fc.integer({ min: 32, max: 52 }),
  l1tfCacheBits: fc.option(fc.integer({ min: 36, max: 52 }), { nil: undefined }),
});
const eras = fc.constantFrom(...SPTE_ERAS);

/** What the kernel of an era can get back of a generation. */
function kept(era: SpteEra, gen: number): number {
  if (!era.generationBug) return gen;
  return gen % (era.id === 'v5.6' ? 512 : 1024);
}

const contents = fc.record({
  era: eras,
  host: hosts,
  gfnBits: fc.bigInt({ min: 0n, max: (1n << 40n) - 1n }),
  access: fc.integer({ min: 0, max: 7 }),
  genBits: fc.nat({ max: 0xf_ffff }),
});

describe('an MMIO spte of any era on any host', () => {
  it('gives back what was put in, as far as that kernel keeps it', () => {
    fc.assert(
      fc.property(contents, ({ era, host, gfnBits, access, genBits }) => {
        const { inPlace, split } = gfnPlacement(era, host);
        const gfn = gfnBits & ((inPlace | split) >> 12n);
        const gen = (genBits % 2 ** era.genWidth) & (era.evenGeneration ? ~1 : ~0);
        const spte = encodeMmioSpte(era, host, { gfn, access, gen });
        if (!spte.ok) {
          // The only thing that may be in the way: no bit is left to mark an MMIO spte with.
          expect(host.mmu !== 'ept' && host.maxPhyAddr === 52 && era.presence === 'bit-11').toBe(true);
          return;
        }
        const decoded = explainSpte(era, host, spte.value);
        expect(decoded.kind).toBe('mmio');
        // From 4.19 to 5.12 bit 51 is magic, and with 52 address bits it is part of the address too.
        const shared = inPlace & mmioMagic(era, host).value;
        if (shared !== 0n) expect([host.maxPhyAddr, shared]).toEqual([52, 1n << 51n]);
        expect(decoded.gfn).toBe(gfn | (shared >> 12n));
        expect(decoded.gen).toBe(era.genWidth === 0 ? undefined : kept(era, gen));
        const wu = `${(access & 2) === 0 ? '' : 'w'}${(access & 4) === 0 ? '' : 'u'}`;
        expect(decoded.access).toBe(host.mmu === 'ept' ? '' : wu);
        expect(decoded.notes.join()).not.toContain('did not write');
        expect(decoded.notes.join()).not.toContain('should be zero');
      }),
      RUNS,
    );
  });
});

describe('the fields of a decoded spte', () => {
  it('cover every bit once and put together are the value', () => {
    fc.assert(
      fc.property(eras, hosts, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (era, host, value) => {
        const { fields } = explainSpte(era, host, value);
        let next = 63;
        let sum = 0n;
        for (const { high, low, value: part } of fields) {
          expect(high).toBe(next);
          expect(low).toBeLessThanOrEqual(high);
          next = low - 1;
          sum |= part << BigInt(low);
        }
        expect(next).toBe(-1);
        expect(sum).toBe(value);
      }),
      RUNS,
    );
  });
});

describe('the codec of the fault path', () => {
  it('agrees with the one for people in every era that runs', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...ERAS),
        hosts,
        fc.nat({ max: 2 ** 40 - 1 }),
        fc.integer({ min: 0, max: 7 }),
        fc.nat({ max: 0xf_ffff }),
        (name, host, gfnBits, access, genBits) => {
          const era = findSpteEra(name);
          if (era === undefined) throw new Error(name);
          const { inPlace, split } = gfnPlacement(era, host);
          const gfn = Number((BigInt(gfnBits) << 12n) & (inPlace | split)) / 4096;
          const gen = name === 'v3.10' ? 0 : (genBits % 2 ** era.genWidth) & (era.evenGeneration ? ~1 : ~0);
          const format = mmioSpteFormat(name, host);
          const low = mmioSpteLow(format, gfn, access, gen);
          const high = mmioSpteHigh(format, gfn, gen);
          const spte = encodeMmioSpte(era, host, { gfn: BigInt(gfn), access, gen });
          if (!spte.ok) {
            expect(format.caching).toBe(false);
            expect(isMmioSpte(format, low, high), 'nothing is an MMIO spte there').toBe(false);
            return;
          }
          expect(spte.value).toBe(u64FromHalves(low, high));
          expect(isMmioSpte(format, low, high)).toBe(true);
          expect(mmioSpteGeneration(format, low, high)).toBe(gen);
          const shared = inPlace & mmioMagic(era, host).value;
          if (shared === 0n) expect(mmioSpteGfn(format, low, high)).toBe(gfn);
          expect(mmioSpteGfn(format, low, high)).toBe(Number(mmioGfnIn(era, host, spte.value)));
          expect(mmioSpteAccess(format, low)).toBe(host.mmu === 'ept' ? 0 : access & 6);
        },
      ),
      RUNS,
    );
  });
});
