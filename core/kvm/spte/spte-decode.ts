/**
 * What an spte says to KVM of an era on a host. A value alone does not tell its era: the host's MMU kind, physical address
 * bits and CPU bugs belong to the question.
 */
import type { EntryField } from '../../base/entry-field.ts';
import type { MmuMode } from '../../base/machine-modes.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { findSpteEra, SPTE_ERAS, unknownEra, type SpteEra } from './spte-eras.ts';
import { BitMap, flag, hex, label } from './spte-fields.ts';
import { decodeMmioSpte, isMmioValue } from './spte-decode-mmio.ts';
import { decodePresentSpte } from './spte-decode-present.ts';
import { mmioMagic, type SpteHost } from './spte-magic.ts';

/** The same shape as the contract's DecodedSpte, which this storey does not know. */
export interface DecodedSpte {
  readonly value: bigint;
  readonly era: string;
  readonly mmu: MmuMode;
  readonly maxPhyAddr: number;
  readonly kind: 'mmio' | 'present' | 'nonpresent' | 'special';
  readonly gen: number | undefined;
  readonly gfn: bigint | undefined;
  readonly access: string | undefined;
  readonly fields: readonly EntryField[];
  readonly notes: readonly string[];
}

/** {@link explainSpte} for an era by name and a host without memory encryption, and without the L1TF bug unless told. */
export function decodeSpte(
  value: bigint,
  eraName: string,
  mmu: MmuMode,
  maxPhyAddr: number,
  l1tfCacheBits?: number,
): Result<DecodedSpte, string> {
  const era = findSpteEra(eraName);
  return era === undefined ? err(unknownEra(eraName)) : ok(explainSpte(era, { mmu, maxPhyAddr, l1tfCacheBits }, value));
}

const SUPPRESS_VE = 1n << 63n;
/** What the TDP MMU holds in an entry that it is just removing. */
const REMOVED_SPTE = 0x5a0n;

export function explainSpte(era: SpteEra, host: SpteHost, value: bigint): DecodedSpte {
  const about = { value, era: era.id, mmu: host.mmu, maxPhyAddr: host.maxPhyAddr };
  const nothing = { gen: undefined, gfn: undefined, access: undefined };
  const magic = mmioMagic(era, host);
  if (value !== 0n && isMmioValue(magic, value)) {
    return { ...about, kind: 'mmio', ...decodeMmioSpte(era, host, value) };
  }
  const removed = removedSpte(era);
  if (removed !== undefined && value === removed) {
    const what = 'marks an entry that another thread is just changing (REMOVED_SPTE, from 6.10 FROZEN_SPTE)';
    const fields = new BitMap().putMask(removed, label('removed', 'magic', what)).fieldsOf(value);
    return {
      ...about,
      kind: 'special',
      ...nothing,
      fields,
      notes: ['Neither present nor MMIO: whoever meets it tries again.'],
    };
  }
  const tracked = accessTracked(era, host, value);
  if (tracked || isPresent(era, value)) {
    const { fields, notes } = decodePresentSpte(era, host, value);
    const why =
      'Access-tracked: R, W and X are taken away so that the next access shows; R and X are kept in high bits.';
    return {
      ...about,
      kind: tracked ? 'special' : 'present',
      ...nothing,
      fields,
      notes: tracked ? [why, ...notes] : notes,
    };
  }
  return { ...about, kind: 'nonpresent', ...nothing, ...nonpresent(era, host, magic.mask === 0n, value) };
}

const since610 = (era: SpteEra): boolean => era.magic === 'plain-ve';

function removedSpte(era: SpteEra): bigint | undefined {
  // Of 5.10 – 5.12 and of 7.2 the constant is not known for sure.
  if (era.presence !== 'bit-11' || era.id === 'v7.2') return undefined;
  return since610(era) ? SUPPRESS_VE | REMOVED_SPTE : REMOVED_SPTE;
}

function isPresent(era: SpteEra, value: bigint): boolean {
  switch (era.presence) {
    case 'bit-0':
      return (value & 1n) !== 0n;
    case 'not-zero':
      return value !== 0n;
    case 'bit-11':
      return (value & (1n << 11n)) !== 0n;
  }
}

/** is_access_track_spte: EPT without A/D bits, where ageing takes R, W and X away (since 4.11). */
function accessTracked(era: SpteEra, host: SpteHost, value: bigint): boolean {
  if (host.mmu !== 'ept' || (value & 7n) !== 0n || !isPresent(era, value)) return false;
  if (era.magic === 'special-62' || era.magic === 'special-62-rsvd') return (value & (1n << 62n)) !== 0n;
  if (era.presence === 'bit-0' || era.id === 'v7.2') return false;
  return ((value >> 52n) & 3n) === 1n;
}

function nonpresent(
  era: SpteEra,
  host: SpteHost,
  cachingOff: boolean,
  value: bigint,
): { readonly fields: readonly EntryField[]; readonly notes: readonly string[] } {
  const map = new BitMap();
  const notes: string[] = [];
  if (era.presence === 'bit-11')
    map.put(11, 11, flag('MMU present', 'present', 'present', 'KVM does not count it as present'));
  else if (era.presence === 'bit-0') map.put(0, 0, flag('P', 'present', 'present', 'not present'));
  if (since610(era) && host.mmu === 'ept') {
    const suppress = flag(
      'suppress #VE',
      'attribute',
      'set in empty entries since 6.10',
      'clear: a TDX guest would get #VE',
    );
    map.put(63, 63, suppress);
  }
  const empty = value === 0n || (since610(era) && value === SUPPRESS_VE);
  if (empty) notes.push('An empty entry.');
  const rest = map.unexplained(value);
  if (rest !== 0n) notes.push(`Not present, yet bits ${hex(rest)} are set: no entry that this kernel writes looks so.`);
  if (cachingOff)
    notes.push(`This kernel makes no MMIO sptes on a host with ${host.maxPhyAddr} physical address bits.`);
  return { fields: map.fieldsOf(value), notes };
}

/** The eras in which the value would be an MMIO spte on such a host, oldest first: a value alone does not tell. */
export const erasThatReadMmio = (host: SpteHost, value: bigint): readonly SpteEra[] =>
  SPTE_ERAS.filter((era) => value !== 0n && isMmioValue(mmioMagic(era, host), value));
