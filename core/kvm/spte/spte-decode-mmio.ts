/** An MMIO spte explained: what KVM of the era reads out of it, including what it reads wrongly. */
import type { EntryField } from '../../base/entry-field.ts';
import type { SpteEra } from './spte-eras.ts';
import { BitMap, hex, label } from './spte-fields.ts';
import { ACC_USER_MASK, ACC_WRITE_MASK } from './access-bits.ts';
import {
  bitRange,
  gfnPlacement,
  L1TF_SHIFT,
  mmioAccessMask,
  mmioMagic,
  type MmioMagic,
  type SpteHost,
} from './spte-magic.ts';

export interface MmioSpteParts {
  readonly gen: number | undefined;
  readonly gfn: bigint;
  /** 'w', 'u', 'wu' or ''. */
  readonly access: string;
  readonly fields: readonly EntryField[];
  readonly notes: readonly string[];
}

export const isMmioValue = ({ value, mask }: MmioMagic, spte: bigint): boolean =>
  mask !== 0n && (spte & mask) === value;

/** get_mmio_spte_generation. Where both fields hold the low bits, KVM ors them. */
export function mmioGenerationIn(era: SpteEra, host: SpteHost, spte: bigint): number | undefined {
  if (era.genWidth === 0) return undefined;
  const bits = spte & ~mmioMagic(era, host).mask;
  const gen = era.generation.reduce(
    (sum, { low, high, genBit }) => sum | (((bits & bitRange(low, high)) >> BigInt(low)) << BigInt(genBit)),
    0n,
  );
  return Number(gen);
}

/** get_mmio_spte_gfn. */
export function mmioGfnIn(era: SpteEra, host: SpteHost, spte: bigint): bigint {
  const { inPlace, split } = gfnPlacement(era, host);
  return ((spte & inPlace) | ((spte >> BigInt(L1TF_SHIFT)) & split)) >> 12n;
}

export function accessText(bits: number): string {
  return `${(bits & ACC_WRITE_MASK) === 0 ? '' : 'w'}${(bits & ACC_USER_MASK) === 0 ? '' : 'u'}`;
}

export function decodeMmioSpte(era: SpteEra, host: SpteHost, spte: bigint): MmioSpteParts {
  const magic = mmioMagic(era, host);
  const gen = mmioGenerationIn(era, host, spte);
  const gfn = mmioGfnIn(era, host, spte);
  const access = Number(spte & BigInt(mmioAccessMask(era, host)));
  const map = mapOf(era, host, magic, gen, gfn);
  const notes = notesOn(era, host, spte, gen, map.unexplained(spte));
  return { gen, gfn, access: accessText(access), fields: map.fieldsOf(spte), notes };
}

function mapOf(era: SpteEra, host: SpteHost, magic: MmioMagic, gen: number | undefined, gfn: bigint): BitMap {
  const map = new BitMap();
  const { inPlace, split } = gfnPlacement(era, host);
  const gpa = `gfn ${hex(gfn)}, gpa ${hex(gfn << 12n)}`;
  for (const { low, high, genBit } of era.generation) {
    const top = genBit + high - low;
    const meaning = (): string => `bits ${top}–${genBit} of generation ${hex(gen ?? 0)}`;
    map.put(low, high, label(low < 12 ? 'generation low' : 'generation high', 'generation', meaning));
  }
  map.putMask(inPlace, label('gfn', 'gfn', split === 0n ? gpa : `lower part of the address: ${gpa}`));
  if (split !== 0n) {
    map.putMask(
      split << BigInt(L1TF_SHIFT),
      label('gfn high', 'gfn', `upper part of the address, moved up by 5: ${gpa}`),
    );
    const ones = 'all ones, so that L1TF finds no cacheable address here';
    map.putMask(split, label('L1TF mask', 'magic', ones));
  }
  const write = BigInt(mmioAccessMask(era, host) & ACC_WRITE_MASK);
  const user = BigInt(mmioAccessMask(era, host) & ACC_USER_MASK);
  const says = (what: string) => (value: bigint) =>
    `the guest's mapping ${value === 0n ? 'does not allow' : 'allows'} ${what}`;
  map.putMask(write, label('ACC_WRITE', 'access', says('writes')));
  map.putMask(user, label('ACC_USER', 'access', says('user mode')));
  if (era.presence === 'bit-11')
    map.put(11, 11, label('MMU present', 'present', 'clear: KVM does not count it as present'));
  map.putMask(
    magic.mask,
    label('magic', 'magic', (value) => `marks an MMIO spte (${value.toString(2)}b)`),
  );
  if (host.mmu === 'ept') map.put(0, 2, label('RWX', 'magic', eptMagicMeaning(magic)));
  return map;
}

const eptMagicMeaning = (magic: MmioMagic): string =>
  `write and execute without read${(magic.mask & 1n) === 0n ? '' : ' (110b)'}: always an EPT misconfiguration`;

function notesOn(
  era: SpteEra,
  host: SpteHost,
  spte: bigint,
  gen: number | undefined,
  unexplained: bigint,
): readonly string[] {
  const notes: string[] = [];
  if (era.genWidth === 0)
    notes.push('This kernel keeps no generation: a new memslot walks the shadow pages and zaps them.');
  if (era.evenGeneration)
    notes.push('Bit 0 of the generation is not stored and reads as 0: odd means an update in flight.');
  if (era.generationBug && gen !== undefined) notes.push(...generationBugNotes(era, host, spte, gen));
  if (host.mmu === 'ept') notes.push('On EPT an MMIO spte keeps no access bits; access reads as none.');
  if (host.mmu !== 'ept' && host.maxPhyAddr === 52 && era.presence !== 'bit-11') {
    notes.push(
      'With MAXPHYADDR 52 no reserved bit is left: hardware sees "not present" and every access goes the slow way.',
    );
  }
  const { inPlace, split } = gfnPlacement(era, host);
  const shared = inPlace & mmioMagic(era, host).value;
  if (shared !== 0n) {
    notes.push(
      `Bits ${hex(shared)} are magic and address at once here: this kernel reads them into the gfn, whatever it was.`,
    );
  }
  if ((spte & split) !== split)
    notes.push('The L1TF mask is not all ones: this kernel on this host did not write the value.');
  if (era.presence === 'bit-11' && (spte & (1n << 11n)) !== 0n) {
    notes.push('Bit 11 (MMU present) is set, which no MMIO spte of this era has.');
  }
  if (unexplained !== 0n) notes.push(`Bits ${hex(unexplained)} should be zero in an MMIO spte of this era.`);
  if (era.id === 'v7.2') notes.push('This era is provisional: its layout is known from mailing lists only.');
  return notes;
}

function generationBugNotes(era: SpteEra, host: SpteHost, spte: bigint, gen: number): readonly string[] {
  const [low, high] = era.generation;
  const kept = Math.max(low.high - low.low, high.high - high.low) + 1;
  const notes = [
    `This kernel stores the low generation bits in both fields (fixed in 5.11), so bits from ${kept} up are lost and ` +
      `generation ${hex(gen)} stands for every one that is equal modulo ${hex(2 ** kept)}.`,
  ];
  // What both fields hold must be the same, apart from bits that the magic covers.
  const mask = mmioMagic(era, host).mask;
  const both =
    bitRange(0, low.high - low.low) & bitRange(0, high.high - high.low) & ~((mask >> BigInt(high.low)) & 0xfffn);
  if ((((spte >> BigInt(low.low)) ^ (spte >> BigInt(high.low))) & both) !== 0n) {
    notes.push('The two copies of the generation differ: this kernel did not write the value.');
  }
  return notes;
}
