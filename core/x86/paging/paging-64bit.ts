/**
 * Walks of 64-bit entries: PAE paging (three levels, the first in registers) and 4-level paging (SDM vol 3A, "PAE Paging"
 * and "4-Level Paging").
 *
 * A and D bits are set after the permission check, as KVM's walker does it; a translation that faults changes nothing.
 */
import { VCPU_CR3, VCPU_EFER, VCPU_MAXPHYADDR, VCPU_PDPTE, VCPU_SECOND_LEVEL } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { permitsNow } from './paging-permission.ts';
import {
  C_GPA,
  C_PAGE,
  C_RIGHTS,
  enterPageDirectory,
  enterPageTable,
  findPageDirectory,
  findPageTable,
} from '../tlb/paging-cache.ts';
import {
  EFER_LMA,
  PFERR_PRESENT,
  PFERR_RSVD,
  PFERR_WRITE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_GLOBAL,
  PTE_PAGE_SIZE,
  PTE_PRESENT,
  reservedHighBits,
  reservedLowBits,
  RIGHT_DIRTY,
  RIGHT_EXECUTE,
  RIGHT_GLOBAL,
  RIGHT_LARGE,
  RIGHT_USER,
  RIGHT_WRITE,
  tableIndex,
} from './paging-entry.ts';
import { entryOffset, type GuestFrames, tableUnreadable, WALK_ABORTED, WALK_AGAIN, WALK_DONE } from './paging-walk.ts';
import { SECOND_LEVEL_NPT } from '../second-level/second-level-entry.ts';
import { noteTableWrite } from '../memory/system-code-pages.ts';
import { GUEST_WALK_GPA, GUEST_WALK_RIGHTS } from '../tlb/tlb-layout.ts';

const ADDRESS_HIGH = 0xf_ffff;

/** Answers WALK_DONE, WALK_ABORTED, or the P and RSVD bits of a page fault. */
export function walk64Bit(cpu: Cpu, lo: number, hi: number, access: number, frames: GuestFrames | undefined): number {
  const r = cpu.r;
  const { i32 } = cpu.arena;
  const longMode = (r[VCPU_EFER] & EFER_LMA) !== 0;
  const amd = r[VCPU_SECOND_LEVEL] === SECOND_LEVEL_NPT;
  const reservedHigh = reservedHighBits(r[VCPU_MAXPHYADDR], r[VCPU_EFER], longMode);
  let level: number;
  let tableLo: number;
  let tableHi: number;
  let table = -1; // arena offset of the table, where a cache knows it
  let rights = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;

  let cached = frames === undefined ? findPageTable(r, lo, hi, 21) : 0;
  if (cached !== 0) level = 1;
  else {
    cached = longMode && frames === undefined ? findPageDirectory(r, lo, hi) : 0;
    level = 2;
  }
  if (cached !== 0) {
    table = r[cached + C_PAGE];
    tableLo = r[cached + C_GPA];
    tableHi = r[cached + C_GPA + 1];
    rights = r[cached + C_RIGHTS];
  } else if (longMode) {
    level = 4;
    tableLo = r[VCPU_CR3] & ~0xfff;
    tableHi = r[VCPU_CR3 + 1] & ADDRESS_HIGH;
  } else {
    const pdpte = VCPU_PDPTE + ((lo >>> 30) << 1);
    if ((r[pdpte] & PTE_PRESENT) === 0) return 0;
    tableLo = r[pdpte] & ~0xfff;
    tableHi = r[pdpte + 1] & ADDRESS_HIGH;
  }

  // What a paging-structure cache stands for has its A bits.
  const firstLevel = level;
  const firstLo = tableLo;
  const firstHi = tableHi;
  let accessed = PTE_ACCESSED;
  for (; ; level--) {
    const offset = tableIndex(level, lo, hi) << 3;
    const at = table >= 0 ? table + offset : entryOffset(cpu, tableLo + offset, tableHi, false, lo, hi, frames);
    if (at < 0) return tableUnreadable(frames);
    const entryLo = i32[at >> 2];
    const entryHi = i32[(at >> 2) + 1];
    if ((entryLo & PTE_PRESENT) === 0) return 0;
    if ((entryHi & reservedHigh) !== 0 || (entryLo & reservedLowBits(level, entryLo, amd)) !== 0) {
      return PFERR_PRESENT | PFERR_RSVD;
    }
    rights &= entryLo | RIGHT_EXECUTE;
    if (entryHi < 0) rights &= ~RIGHT_EXECUTE;
    accessed &= entryLo;
    const large = level > 1 && level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0;
    if (level === 1 || large) {
      if (!permitsNow(r, rights, access)) return PFERR_PRESENT;
      const write = (access & PFERR_WRITE) !== 0;
      const dirty = (entryLo & PTE_DIRTY) !== 0;
      if (accessed === 0 || (write && !dirty)) {
        const marked = markEntries(cpu, lo, hi, write, firstLevel, firstLo, firstHi, at, entryLo, frames);
        if (marked !== WALK_DONE) return marked;
      }
      const inPage = !large ? 0xfff : level === 2 ? 0x1f_ffff : 0x3fff_ffff;
      r[GUEST_WALK_GPA] = (entryLo & ~inPage) | (lo & inPage);
      r[GUEST_WALK_GPA + 1] = entryHi & ADDRESS_HIGH;
      r[GUEST_WALK_RIGHTS] =
        rights |
        (dirty || write ? RIGHT_DIRTY : 0) |
        ((entryLo & PTE_GLOBAL) !== 0 ? RIGHT_GLOBAL : 0) |
        (large ? RIGHT_LARGE : 0);
      return WALK_DONE;
    }
    tableLo = entryLo & ~0xfff;
    tableHi = entryHi & ADDRESS_HIGH;
    table = -1;
    if (frames === undefined && level < 4) {
      const next = entryOffset(cpu, tableLo + (tableIndex(level - 1, lo, hi) << 3), tableHi, false, lo, hi, frames);
      if (next < 0) return WALK_ABORTED;
      table = next & ~0xfff;
      if (accessed !== 0) {
        if (level === 2) enterPageTable(r, lo, hi, 21, table, tableLo, tableHi, rights);
        else enterPageDirectory(r, lo, hi, table, tableLo, tableHi, rights);
      }
    }
  }
}

/**
 * A on every level from the first walked, and D on the leaf, of a translation that was found good: by locked compare-exchange, as
 * the processor does it. WALK_AGAIN when an entry is not what it was.
 * @param leafAt arena offset of the leaf that was found, `leafLo` its low half
 */
function markEntries(
  cpu: Cpu,
  lo: number,
  hi: number,
  write: boolean,
  firstLevel: number,
  firstLo: number,
  firstHi: number,
  leafAt: number,
  leafLo: number,
  frames: GuestFrames | undefined,
): number {
  const { i32 } = cpu.arena;
  let tableLo = firstLo;
  let tableHi = firstHi;
  for (let level = firstLevel; ; level--) {
    const gpaLo = tableLo + (tableIndex(level, lo, hi) << 3);
    let at = entryOffset(cpu, gpaLo, tableHi, false, lo, hi, frames);
    if (at < 0) return tableUnreadable(frames);
    const entryLo = i32[at >> 2];
    const leaf = level === 1 || (level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0);
    if (leaf ? at !== leafAt || entryLo !== leafLo : (entryLo & PTE_PRESENT) === 0) return WALK_AGAIN;
    const bits = PTE_ACCESSED | (leaf && write ? PTE_DIRTY : 0);
    if ((entryLo & bits) !== bits) {
      at = entryOffset(cpu, gpaLo, tableHi, true, lo, hi, frames);
      if (at < 0) return tableUnreadable(frames);
      if (cpu.watch !== undefined && cpu.watch.memory) cpu.watch.onTableMark(cpu, at, bits, false);
      if (Atomics.compareExchange(i32, at >> 2, entryLo, entryLo | bits) !== entryLo) return WALK_AGAIN;
      noteTableWrite(cpu, at);
    }
    if (leaf) return WALK_DONE;
    tableLo = entryLo & ~0xfff;
    tableHi = i32[(at >> 2) + 1] & ADDRESS_HIGH;
  }
}
