/**
 * Why an entry faults, in words: the rules that the walkers apply (second-level-entry.ts, paging-64bit.ts, paging-32bit.ts),
 * each broken one as a sentence with its source. Cold; the walkers themselves decide by masks.
 */
import {
  CR0_WP,
  CR4_SMAP,
  CR4_SMEP,
  PFERR_FETCH,
  PFERR_USER,
  PFERR_WRITE,
  PTE_PAGE_SIZE,
  reservedAddressBits,
  RIGHT_EXECUTE,
  RIGHT_USER,
  RIGHT_WRITE,
} from '../paging/paging-entry.ts';
import { isEptLeaf } from '../second-level/second-level-entry.ts';

/** A rule that failed, and where it is written. */
export interface BrokenRule {
  readonly reason: string;
  readonly source: string;
}

const SDM_MISCONFIGURATION = 'SDM vol 3C, "EPT Misconfigurations"';
const SDM_RESERVED = 'SDM vol 3A, "Paging", tables of entry formats';
const APM_RESERVED = 'APM vol 2, "Long-Mode Page Translation"';
const SDM_RIGHTS = 'SDM vol 3A, "Access Rights"';

export const ENTRY_NAMES = ['', 'PTE', 'PDE', 'PDPTE', 'PML4E'] as const;

/** `63, 51–40, 7`: the set bits of a mask, highest first. */
export function bitList(lo: number, hi: number): string {
  const isSet = (bit: number): boolean => (((bit < 32 ? lo : hi) >>> (bit & 31)) & 1) !== 0;
  const runs: string[] = [];
  for (let high = 63; high >= 0; high--) {
    if (!isSet(high)) continue;
    let low = high;
    while (low > 0 && isSet(low - 1)) low--;
    runs.push(low === high ? `${high}` : `${high}–${low}`);
    high = low;
  }
  return runs.join(', ');
}

/** Bits of a present EPT entry that are reserved where it stands: [low half, high half]. */
function eptReserved(level: number, lo: number, reservedHigh: number): readonly [number, number] {
  if (level === 4) return [0xf8, reservedHigh];
  if (level === 1) return [0, reservedHigh];
  if ((lo & PTE_PAGE_SIZE) === 0) return [0x78, reservedHigh];
  return [level === 3 ? 0x3fff_f000 : 0x1f_f000, reservedHigh];
}

/** Which of the rules of {@link isEptMisconfigured} an entry breaks. Only for one that does. */
export function eptMisconfigurationRule(level: number, lo: number, hi: number, reservedHigh: number): BrokenRule {
  const rwx = (lo & 7).toString(2).padStart(3, '0');
  const at = `the EPT entry at level ${level}`;
  if ((lo & 3) === 2) {
    return { reason: `${at} is writable but not readable (bits 2:0 = ${rwx}b)`, source: SDM_MISCONFIGURATION };
  }
  const [low, high] = eptReserved(level, lo, reservedHigh);
  if ((lo & low) !== 0 || (hi & high) !== 0) {
    const bits = bitList(lo & low, hi & high);
    return { reason: `${at} is present and sets reserved bits (${bits})`, source: SDM_MISCONFIGURATION };
  }
  const type = (lo >> 3) & 7;
  if (isEptLeaf(level, lo) && (type === 2 || type === 3 || type === 7)) {
    return { reason: `${at} has the reserved memory type ${type}`, source: SDM_MISCONFIGURATION };
  }
  return { reason: `${at} is misconfigured`, source: SDM_MISCONFIGURATION };
}

/** A guest entry, or one of a nested or shadow page table, that sets the given reserved bits. */
export function reservedBitsRule(what: string, lo: number, hi: number, amd: boolean): BrokenRule {
  return { reason: `${what} sets reserved bits (${bitList(lo, hi)})`, source: amd ? APM_RESERVED : SDM_RESERVED };
}

/** Reserved bits that are set in an entry of a nested or shadow page table; see isHostEntryReserved. */
export function hostReservedBits(
  levels: number,
  level: number,
  lo: number,
  hi: number,
  maxPhyAddr: number,
  lowMask: number,
): readonly [number, number] {
  const address = reservedAddressBits(maxPhyAddr);
  if (levels === 3 && level === 3) return [lo & 0x1e6, hi & (address | 0xfff0_0000)];
  return [lo & lowMask, hi & (address | (levels === 3 ? 0x7ff0_0000 : 0))];
}

export const notPresentRule = (what: string): BrokenRule => ({
  reason: `${what} is not present (bit 0 is clear)`,
  source: 'SDM vol 3A, "Page-Fault Exceptions"',
});

/** Why {@link permits} says no: the first rule that an access breaks. */
export function accessRule(cr0: number, cr4: number, rights: number, access: number): BrokenRule {
  const user = (access & PFERR_USER) !== 0;
  const userPage = (rights & RIGHT_USER) !== 0;
  const rule = (reason: string): BrokenRule => ({ reason, source: SDM_RIGHTS });
  if ((access & PFERR_FETCH) !== 0 && (rights & RIGHT_EXECUTE) === 0) {
    return rule('a fetch, and an entry on the way has XD (bit 63) set');
  }
  if (user && !userPage) return rule('a user access, and an entry on the way has U/S (bit 2) clear');
  if ((access & PFERR_FETCH) !== 0 && (cr4 & CR4_SMEP) !== 0) {
    return rule('a supervisor fetch from a user page, and CR4.SMEP is set');
  }
  if (!user && userPage && (cr4 & CR4_SMAP) !== 0 && (access & PFERR_FETCH) === 0) {
    return rule('a supervisor access to a user page, and CR4.SMAP is set with EFLAGS.AC clear');
  }
  if ((access & PFERR_WRITE) !== 0 && (rights & RIGHT_WRITE) === 0) {
    const who = user ? 'a user write' : (cr0 & CR0_WP) !== 0 ? 'a supervisor write with CR0.WP set' : 'a write';
    return rule(`${who}, and an entry on the way has R/W (bit 1) clear`);
  }
  return rule('the rights of the entries on the way do not allow the access');
}
