/**
 * The walk of second-level tables that have the format of ordinary page tables: nested paging (APM vol 2, "Nested Paging")
 * and shadow page tables, where the linear address is what is looked up. A and D bits are set as the processor sets them.
 */
import { VCPU_MAXPHYADDR, VCPU_ROOT_HPA } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseUnimplemented } from '../interrupts/exceptions.ts';
import {
  PFERR_FETCH,
  PFERR_PRESENT,
  PFERR_RSVD,
  PFERR_USER,
  PFERR_WRITE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_PAGE_SIZE,
  PTE_PRESENT,
  RIGHT_DIRTY,
  RIGHT_EXECUTE,
  RIGHT_LARGE,
  RIGHT_USER,
  RIGHT_WRITE,
  tableIndex,
} from '../paging/paging-entry.ts';
import { isHostEntryReserved } from './second-level-entry.ts';
import { HOST_WALK_ERROR, HOST_WALK_RIGHTS } from '../tlb/tlb-layout.ts';

const supervisorWalk = (access: number): boolean => (access & PFERR_USER) === 0;

/**
 * @param levels 4, or 3 for PAE tables whose root is four PDPTEs
 * @param access PFERR_WRITE | USER | FETCH: what the access needs. Writes by the supervisor need W too (CR0.WP is on in the host).
 * @returns arena offset of the page, or −1: HOST_WALK_ERROR holds the error code, unless `cpu.abort` says that it is worse
 */
export function walkHostTable(cpu: Cpu, levels: number, lo: number, hi: number, access: number, amd: boolean): number {
  const r = cpu.r;
  const { i32, layout } = cpu.arena;
  const maxPhyAddr = r[VCPU_MAXPHYADDR];
  const pae = levels === 3;
  let table = r[VCPU_ROOT_HPA] & (pae ? ~0x1f : ~0xfff);
  let rights = RIGHT_EXECUTE | RIGHT_WRITE | RIGHT_USER;
  let accessed = PTE_ACCESSED;
  for (let level = levels; ; level--) {
    const root = pae && level === 3;
    const index = root ? lo >>> 30 : tableIndex(level, lo, hi);
    const at = (table >> 2) + (index << 1);
    const entryLo = i32[at];
    const entryHi = i32[at + 1];
    if ((entryLo & PTE_PRESENT) === 0) return fault(r, access);
    // A processor reads an entry at once. KVM on another thread may have changed this one between the two loads.
    if (cpu.threaded && Atomics.load(i32, at) !== entryLo) return walkHostTable(cpu, levels, lo, hi, access, amd);
    if (isHostEntryReserved(levels, level, entryLo, entryHi, maxPhyAddr, amd)) {
      return fault(r, access | PFERR_PRESENT | PFERR_RSVD);
    }
    if (!root) {
      rights &= entryLo | RIGHT_EXECUTE;
      if (entryHi < 0) rights &= ~RIGHT_EXECUTE;
      accessed &= entryLo;
    }
    const next = entryLo & ~0xfff;
    const leaf = level === 1 || (!root && level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0);
    const offset = leaf && level > 1 ? lo & (level === 2 ? 0x1f_f000 : 0x3fff_f000) : 0;
    // Bit 12 of a large entry is PAT, not an address bit.
    const page = (leaf && level > 1 ? next & (level === 2 ? ~0x1f_ffff : ~0x3fff_ffff) : next) + offset;
    if ((entryHi & 0xf_ffff) !== 0 || page < 0 || page >= layout.totalBytes) {
      raiseUnimplemented(cpu, 'an entry of the nested or shadow page table points outside host memory');
      return -1;
    }
    if (!leaf) {
      table = page;
      continue;
    }
    if (
      ((access & PFERR_WRITE) !== 0 && (rights & RIGHT_WRITE) === 0) ||
      (!supervisorWalk(access) && (rights & RIGHT_USER) === 0) ||
      ((access & PFERR_FETCH) !== 0 && (rights & RIGHT_EXECUTE) === 0)
    ) {
      return fault(r, access | PFERR_PRESENT);
    }
    const write = (access & PFERR_WRITE) !== 0;
    const dirty = (entryLo & PTE_DIRTY) !== 0;
    if ((accessed === 0 || (write && !dirty)) && !markHostTable(cpu, levels, lo, hi, level, write)) {
      return walkHostTable(cpu, levels, lo, hi, access, amd);
    }
    r[HOST_WALK_RIGHTS] = rights | (dirty || write ? RIGHT_DIRTY : 0) | (level > 1 ? RIGHT_LARGE : 0);
    return page;
  }
}

/**
 * A and D of a translation that was found good, level by level.
 * @returns false when KVM changed an entry meanwhile (it may have zapped it): the walk is to be done again
 */
function markHostTable(cpu: Cpu, levels: number, lo: number, hi: number, leafLevel: number, write: boolean): boolean {
  const { i32 } = cpu.arena;
  const pae = levels === 3;
  let table = cpu.r[VCPU_ROOT_HPA] & (pae ? ~0x1f : ~0xfff);
  for (let level = levels; ; level--) {
    const root = pae && level === 3;
    const at = (table >> 2) + ((root ? lo >>> 30 : tableIndex(level, lo, hi)) << 1);
    const entryLo = i32[at];
    const leaf = level === 1 || (!root && level < 4 && (entryLo & PTE_PAGE_SIZE) !== 0);
    if ((entryLo & PTE_PRESENT) === 0 || leaf !== (level === leafLevel)) return false;
    const flags = root ? 0 : PTE_ACCESSED | (leaf && write ? PTE_DIRTY : 0);
    if ((entryLo & flags) !== flags) {
      if (Atomics.compareExchange(i32, at, entryLo, entryLo | flags) !== entryLo) return false;
      cpu.watch?.onSpteMark(cpu, at << 2, entryLo);
    }
    if (leaf) return true;
    table = entryLo & ~0xfff;
  }
}

function fault(r: Int32Array, code: number): number {
  r[HOST_WALK_ERROR] = code & (PFERR_PRESENT | PFERR_WRITE | PFERR_USER | PFERR_RSVD | PFERR_FETCH);
  return -1;
}
