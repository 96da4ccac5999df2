/** Walks of 32-bit paging: two levels of 4-byte entries, 4 MiB pages with CR4.PSE (SDM vol 3A, "32-Bit Paging"). */
import { VCPU_CR3, VCPU_CR4, VCPU_MAXPHYADDR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { permitsNow } from './paging-permission.ts';
import { C_GPA, C_PAGE, C_RIGHTS, enterPageTable, findPageTable } from '../tlb/paging-cache.ts';
import {
  CR4_PSE,
  PFERR_PRESENT,
  PFERR_RSVD,
  PFERR_WRITE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_GLOBAL,
  PTE_PAGE_SIZE,
  PTE_PRESENT,
  pse36ReservedBits,
  RIGHT_DIRTY,
  RIGHT_EXECUTE,
  RIGHT_GLOBAL,
  RIGHT_LARGE,
  RIGHT_USER,
  RIGHT_WRITE,
} from './paging-entry.ts';
import { entryOffset, type GuestFrames, tableUnreadable, WALK_AGAIN, WALK_DONE } from './paging-walk.ts';
import { noteTableWrite } from '../memory/system-code-pages.ts';
import { GUEST_WALK_GPA, GUEST_WALK_RIGHTS } from '../tlb/tlb-layout.ts';

const pdeIndex = (lo: number): number => (lo >>> 22) << 2;
const pteIndex = (lo: number): number => ((lo >>> 12) & 0x3ff) << 2;

/** Answers WALK_DONE, WALK_ABORTED, or the P and RSVD bits of a page fault. */
export function walk32Bit(cpu: Cpu, lo: number, access: number, frames: GuestFrames | undefined): number {
  const r = cpu.r;
  const { i32 } = cpu.arena;
  const cached = frames === undefined ? findPageTable(r, lo, 0, 22) : 0;
  let rights = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;
  let accessed = PTE_ACCESSED;
  let at: number;
  if (cached !== 0) {
    rights = r[cached + C_RIGHTS];
    at = r[cached + C_PAGE] + pteIndex(lo);
  } else {
    at = entryOffset(cpu, (r[VCPU_CR3] & ~0xfff) + pdeIndex(lo), 0, false, lo, 0, frames);
    if (at < 0) return tableUnreadable(frames);
    const pde = i32[at >> 2];
    if ((pde & PTE_PRESENT) === 0) return 0;
    rights &= pde | RIGHT_EXECUTE;
    accessed &= pde;
    if (isLarge(r, pde)) {
      if ((pde & pse36ReservedBits(r[VCPU_MAXPHYADDR])) !== 0) return PFERR_PRESENT | PFERR_RSVD;
      r[GUEST_WALK_GPA] = (pde & ~0x3f_ffff) | (lo & 0x3f_ffff);
      r[GUEST_WALK_GPA + 1] = (pde >>> 13) & 0xff;
      return finish(cpu, lo, access, frames, rights | RIGHT_LARGE, at, pde, accessed, 0);
    }
    const tableLo = pde & ~0xfff;
    at = entryOffset(cpu, tableLo + pteIndex(lo), 0, false, lo, 0, frames);
    if (at < 0) return tableUnreadable(frames);
    if (frames === undefined && accessed !== 0) enterPageTable(r, lo, 0, 22, at & ~0xfff, tableLo, 0, rights);
  }
  const pte = i32[at >> 2];
  if ((pte & PTE_PRESENT) === 0) return 0;
  r[GUEST_WALK_GPA] = (pte & ~0xfff) | (lo & 0xfff);
  r[GUEST_WALK_GPA + 1] = 0;
  const all = rights & (pte | ~(RIGHT_WRITE | RIGHT_USER));
  return finish(cpu, lo, access, frames, all, at, pte, accessed & pte, cached);
}

const isLarge = (r: Int32Array, pde: number): boolean => (pde & PTE_PAGE_SIZE) !== 0 && (r[VCPU_CR4] & CR4_PSE) !== 0;

/** The leaf was found: permission, then A and D, then what else the translation allows. */
function finish(
  cpu: Cpu,
  lo: number,
  access: number,
  frames: GuestFrames | undefined,
  rights: number,
  at: number,
  leaf: number,
  accessed: number,
  cached: number,
): number {
  const r = cpu.r;
  if (!permitsNow(r, rights, access)) return PFERR_PRESENT;
  const write = (access & PFERR_WRITE) !== 0;
  const dirty = (leaf & PTE_DIRTY) !== 0;
  if (accessed === 0 || (write && !dirty)) {
    const marked = markEntries(cpu, lo, write, at, leaf, cached, frames);
    if (marked !== WALK_DONE) return marked;
  }
  r[GUEST_WALK_RIGHTS] = rights | (dirty || write ? RIGHT_DIRTY : 0) | ((leaf & PTE_GLOBAL) !== 0 ? RIGHT_GLOBAL : 0);
  return WALK_DONE;
}

/**
 * A on both levels (on the leaf alone, where the walk began at a cached directory entry) and D on the leaf of a translation that was
 * found good; as in paging-64bit.ts.
 */
function markEntries(
  cpu: Cpu,
  lo: number,
  write: boolean,
  leafAt: number,
  leafEntry: number,
  cached: number,
  frames: GuestFrames | undefined,
): number {
  const r = cpu.r;
  const { i32 } = cpu.arena;
  let gpa = cached !== 0 ? r[cached + C_GPA] + pteIndex(lo) : (r[VCPU_CR3] & ~0xfff) + pdeIndex(lo);
  for (let level = cached !== 0 ? 1 : 2; ; level--) {
    let at = entryOffset(cpu, gpa, 0, false, lo, 0, frames);
    if (at < 0) return tableUnreadable(frames);
    const entry = i32[at >> 2];
    const leaf = level === 1 || isLarge(r, entry);
    if (leaf ? at !== leafAt || entry !== leafEntry : (entry & PTE_PRESENT) === 0) return WALK_AGAIN;
    const bits = PTE_ACCESSED | (leaf && write ? PTE_DIRTY : 0);
    if ((entry & bits) !== bits) {
      at = entryOffset(cpu, gpa, 0, true, lo, 0, frames);
      if (at < 0) return tableUnreadable(frames);
      if (cpu.watch !== undefined && cpu.watch.memory) cpu.watch.onTableMark(cpu, at, bits, false);
      if (Atomics.compareExchange(i32, at >> 2, entry, entry | bits) !== entry) return WALK_AGAIN;
      noteTableWrite(cpu, at);
    }
    if (leaf) return WALK_DONE;
    gpa = (entry & ~0xfff) + pteIndex(lo);
  }
}
