/** A guest paging-structure entry, field by field (SDM vol 3A, "Paging", tables of entry formats). */
import type { EntryField } from '../../base/entry-field.ts';
import type { GuestPagingMode } from '../../x86/index.ts';
import { BitMap, flag, hex, IGNORED, label } from '../spte/spte-fields.ts';

const RESERVED = label('reserved', 'reserved', (value) => (value === 0n ? 'reserved, zero' : 'reserved, and not zero'));

const present = flag('P', 'present', 'present', 'not present: every other bit is ignored');
const writable = flag('R/W', 'access', 'writes allowed', 'writes not allowed');
const user = flag('U/S', 'access', 'user mode allowed', 'supervisor only');
const writeThrough = flag('PWT', 'attribute', 'write-through', 'write-back');
const cacheDisable = flag('PCD', 'attribute', 'cache disabled', 'cache enabled');
const accessed = flag('A', 'attribute', 'accessed', 'not accessed since it was cleared');
const dirty = flag('D', 'attribute', 'dirty', 'not written since it was cleared');
const global = flag('G', 'attribute', 'global: survives a load of CR3 with CR4.PGE', 'not global');
const pat = flag('PAT', 'attribute', 'PAT index bit 2 is set', 'PAT index bit 2 is clear');
const executeDisable = flag('XD', 'access', 'execution not allowed', 'execution allowed');

/** What the control registers decide about an entry's meaning. */
export interface GuestEntrySetting {
  readonly mode: GuestPagingMode;
  readonly maxPhyAddr: number;
  readonly nxe: boolean;
  readonly pse: boolean;
}

export function guestEntryFields(
  setting: GuestEntrySetting,
  level: number,
  leaf: boolean,
  value: bigint,
): readonly EntryField[] {
  const fields = setting.mode === '32-bit' ? fields32(setting, level, leaf) : fields64(setting, level, leaf);
  const all = fields.fieldsOf(value);
  return setting.mode === '32-bit' ? all.filter(({ low }) => low < 32) : all;
}

const frame = (what: string, low: number) =>
  label(what, 'gfn', (value) => `guest physical address ${hex(value << BigInt(low))}`);

function common(map: BitMap, leaf: boolean): BitMap {
  map.put(0, 0, present).put(1, 1, writable).put(2, 2, user).put(3, 3, writeThrough).put(4, 4, cacheDisable);
  map.put(5, 5, accessed);
  if (leaf) map.put(6, 6, dirty).put(8, 8, global);
  return map;
}

function fields64({ mode, maxPhyAddr, nxe }: GuestEntrySetting, level: number, leaf: boolean): BitMap {
  const map = new BitMap();
  if (mode === 'pae' && level === 3) {
    map.put(0, 0, present).put(1, 2, RESERVED).put(3, 3, writeThrough).put(4, 4, cacheDisable).put(5, 8, RESERVED);
    if (maxPhyAddr < 64) map.put(maxPhyAddr, 63, RESERVED);
    return map.put(12, maxPhyAddr - 1, frame('page directory', 12));
  }
  common(map, leaf);
  const first = !leaf || level === 1 ? 12 : level === 2 ? 21 : 30;
  if (level === 1) map.put(7, 7, pat);
  else if (level === 4) map.put(7, 7, RESERVED);
  else map.put(7, 7, flag('PS', 'attribute', 'maps a large page', 'names a table'));
  if (leaf && level > 1) map.put(12, 12, pat).put(13, first - 1, RESERVED);
  map.put(first, maxPhyAddr - 1, frame(leaf ? 'page' : 'table', first));
  if (maxPhyAddr < 52) map.put(maxPhyAddr, 51, RESERVED);
  if (mode === 'pae') map.put(52, 62, RESERVED);
  return map.put(63, 63, nxe ? executeDisable : RESERVED);
}

function fields32({ maxPhyAddr, pse }: GuestEntrySetting, level: number, leaf: boolean): BitMap {
  const map = common(new BitMap(), leaf);
  map.put(32, 63, IGNORED);
  if (level === 1) return map.put(7, 7, pat).put(12, 31, frame('page', 12));
  const ps = flag('PS', 'attribute', pse ? 'maps 4 MiB' : 'ignored without CR4.PSE', 'names a page table');
  map.put(7, 7, ps);
  if (!leaf) return map.put(12, 31, frame('page table', 12));
  const high = Math.min(40, maxPhyAddr) - 20;
  map.put(12, 12, pat).put(22, 31, frame('page, address bits 31–22', 22));
  if (high >= 13)
    map.put(
      13,
      high,
      label('page, high address bits', 'gfn', (value) => `address bits from 32: ${hex(value)}`),
    );
  return high < 21 ? map.put(Math.max(13, high + 1), 21, RESERVED) : map;
}
