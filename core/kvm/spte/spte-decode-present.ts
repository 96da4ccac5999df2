/** An spte that maps or links, explained (set_spte and link_shadow_page by era; Intel SDM vol 3C, "EPT Entries"). */
import type { EntryField } from '../../base/entry-field.ts';
import type { SpteEra } from './spte-eras.ts';
import { BitMap, flag, hex, IGNORED, label } from './spte-fields.ts';
import { bitRange, type SpteHost } from './spte-magic.ts';

export interface PresentSpteParts {
  readonly fields: readonly EntryField[];
  readonly notes: readonly string[];
}

const MEMORY_TYPES: Readonly<Record<string, string>> = { 0: 'UC', 1: 'WC', 4: 'WT', 5: 'WP', 6: 'WB' };

const frame = label('frame', 'gfn', (value) => `host frame ${hex(value)}, host physical address ${hex(value << 12n)}`);
const hostWriteable = flag(
  'host writable',
  'software',
  'the host lets the frame be written',
  'the host maps the frame read-only',
);
const mmuWriteable = flag(
  'MMU writable',
  'software',
  'no shadow page depends on the frame: W may be given back without a fault in full',
  'write-protected for page-table shadowing, or read-only',
);
const mmuPresent = flag(
  'MMU present',
  'present',
  'KVM counts the entry as present',
  'KVM does not count the entry as present',
);

export function decodePresentSpte(era: SpteEra, host: SpteHost, spte: bigint): PresentSpteParts {
  const map = new BitMap();
  if (host.mmu === 'ept') putEpt(map, era);
  else putX86(map);
  map.put(12, 51, frame);
  putSoftware(map, era, host);
  return { fields: map.fieldsOf(spte), notes: notesOn(era, host, spte) };
}

function putEpt(map: BitMap, era: SpteEra): void {
  map.put(0, 0, flag('R', 'access', 'reads allowed', 'reads not allowed'));
  map.put(1, 1, flag('W', 'access', 'writes allowed', 'writes not allowed'));
  map.put(2, 2, flag('X', 'access', 'execution allowed', 'execution not allowed'));
  const type = (value: bigint): string => {
    const name = MEMORY_TYPES[value.toString()];
    return name === undefined ? `memory type ${value} is reserved: a misconfiguration` : `${name} (in a leaf)`;
  };
  map.put(3, 5, label('memory type', 'attribute', type));
  map.put(6, 6, flag('IPAT', 'attribute', "the guest's PAT is ignored (in a leaf)", "the guest's PAT counts"));
  map.put(7, 7, flag('large', 'attribute', 'maps a large page (levels 2 and 3)', 'maps 4 KiB or links a table'));
  map.put(8, 8, flag('A', 'attribute', 'accessed (with A/D bits on)', 'not accessed, or A/D bits off'));
  map.put(9, 9, flag('D', 'attribute', 'dirty (leaf with A/D bits on)', 'not dirty, or A/D bits off'));
  if (era.id === 'v7.2')
    map.put(
      10,
      10,
      flag('XU', 'access', 'user-mode execution allowed (MBEC)', 'user-mode execution not allowed (MBEC)'),
    );
  map.put(
    63,
    63,
    flag('suppress #VE', 'attribute', 'no #VE for violations', 'violations may raise #VE where the guest has it'),
  );
}

function putX86(map: BitMap): void {
  map.put(0, 0, flag('P', 'present', 'present to hardware', 'not present to hardware'));
  map.put(1, 1, flag('W', 'access', 'writes allowed', 'writes not allowed'));
  map.put(2, 2, flag('U', 'access', 'user mode allowed', 'supervisor only'));
  map.put(3, 3, flag('PWT', 'attribute', 'write-through', 'write-back'));
  map.put(4, 4, flag('PCD', 'attribute', 'cache disabled', 'cache enabled'));
  map.put(5, 5, flag('A', 'attribute', 'accessed', 'not accessed'));
  map.put(6, 6, flag('D', 'attribute', 'dirty', 'not dirty'));
  map.put(
    7,
    7,
    flag('PS', 'attribute', 'maps a large page (levels 2 and 3), PAT at level 1', 'maps 4 KiB or links a table'),
  );
  map.put(8, 8, flag('G', 'attribute', 'global', 'not global'));
  map.put(63, 63, flag('NX', 'access', 'execution not allowed', 'execution allowed'));
}

function putSoftware(map: BitMap, era: SpteEra, host: SpteHost): void {
  const ept = host.mmu === 'ept';
  if (era.presence !== 'bit-11') {
    map.put(10, 10, hostWriteable).put(11, 11, mmuWriteable);
    if (era.magic === 'special-62-rsvd' || era.magic === 'special-62') {
      map.put(62, 62, flag('special', 'software', 'access-tracked: R and X are kept aside', 'an ordinary entry'));
      if (ept) map.put(52, 52, flag('saved R', 'software', 'R before tracking', 'no R kept'));
      if (ept) map.put(54, 54, flag('saved X', 'software', 'X before tracking', 'no X kept'));
    }
    if (era.magic === 'special-52') putAdState(map, ept);
    return;
  }
  map.put(11, 11, mmuPresent);
  if (!ept) map.put(9, 9, hostWriteable).put(10, 10, mmuWriteable);
  else if (era.id === 'v7.2') map.put(53, 53, hostWriteable).put(55, 55, mmuWriteable);
  else map.put(57, 57, hostWriteable).put(58, 58, mmuWriteable);
  if (era.id !== 'v7.2') putAdState(map, ept);
}

/** Bits 52–53 since 5.4: how accessed and dirty are tracked, and what is kept aside meanwhile. */
function putAdState(map: BitMap, ept: boolean): void {
  const kinds = ['A/D bits on', 'A/D bits off', 'A/D bits on, dirty by write protection', 'no kind of a present entry'];
  map.put(
    52,
    53,
    label('A/D state', 'software', (value) => kinds[Number(value)]),
  );
  if (!ept) return;
  map.put(54, 54, flag('saved R', 'software', 'R before access tracking', 'no R kept'));
  map.put(55, 55, IGNORED);
  map.put(56, 56, flag('saved X', 'software', 'X before access tracking', 'no X kept'));
}

function notesOn(era: SpteEra, host: SpteHost, spte: bigint): readonly string[] {
  const notes: string[] = [];
  if (host.mmu === 'ept') {
    if ((spte & 3n) === 2n) notes.push('Writable but not readable: an EPT misconfiguration.');
    const type = (spte >> 3n) & 7n;
    if (type === 2n || type === 3n || type === 7n)
      notes.push(`Memory type ${type} is reserved: an EPT misconfiguration in a leaf.`);
  }
  const above = (spte & bitRange(host.maxPhyAddr, 51)) >> BigInt(host.maxPhyAddr);
  if (above !== 0n)
    notes.push(`Address bits from ${host.maxPhyAddr} up are set: reserved on a host with that MAXPHYADDR.`);
  if (era.id === 'v7.2') notes.push('This era is provisional: its layout is known from mailing lists only.');
  return notes;
}
