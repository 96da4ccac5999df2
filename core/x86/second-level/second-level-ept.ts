/**
 * The EPT walk (SDM vol 3C, "EPT Translation Mechanism"): four levels of entries with R, W and X. It ends in an arena page,
 * in an EPT violation or in an EPT misconfiguration. Misconfigurations go before access rights.
 */
import {
  VCPU_EPT_AD,
  VCPU_EXIT_GPA,
  VCPU_EXIT_GVA,
  VCPU_EXIT_QUALIFICATION,
  VCPU_MAXPHYADDR,
  VCPU_ROOT_HPA,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseExit, raiseUnimplemented } from '../interrupts/exceptions.ts';
import { EXIT_EPT_MISCONFIG, EXIT_EPT_VIOLATION } from '../system/exits.ts';
import { reservedAddressBits, tableIndex } from '../paging/paging-entry.ts';
import { enterNested, NESTED_WRITE } from '../tlb/second-level-cache.ts';
import {
  EPT_ACCESSED,
  EPT_DIRTY,
  EPT_VIOLATION_RIGHTS_SHIFT,
  isEptLeaf,
  isEptMisconfigured,
} from './second-level-entry.ts';

const EPT_READ = 1;
/** Read access, and bits 3–7: reserved in an entry that names a table, but for 7, which makes it a leaf. */
const TABLE_BITS = 0xf8 | EPT_READ;

/**
 * @param need NESTED_* bits the access needs
 * @param qualification bits 0–2 (kind of access) and 7–8 of the qualification, should this be a violation
 * @returns index of a guest-physical TLB entry (second-level-cache.ts), or −1 with the exit recorded
 */
export function walkEpt(
  cpu: Cpu,
  gpaLo: number,
  gpaHi: number,
  need: number,
  qualification: number,
  gvaLo: number,
  gvaHi: number,
): number {
  const r = cpu.r;
  const { i32, layout } = cpu.arena;
  // A 4-level EPT translates 48 bits; addresses above are not mapped by anything.
  if (gpaHi >>> 16 !== 0) return violation(cpu, gpaLo, gpaHi, qualification, gvaLo, gvaHi);
  const reservedHigh = reservedAddressBits(r[VCPU_MAXPHYADDR]);
  let table = r[VCPU_ROOT_HPA] & ~0xfff;
  let rights = 7;
  let accessed = EPT_ACCESSED;
  for (let level = 4; ; level--) {
    const at = (table >> 2) + (tableIndex(level, gpaLo, gpaHi) << 1);
    const lo = i32[at];
    const hi = i32[at + 1];
    rights &= lo;
    accessed &= lo;
    // A table, readable and without a bit that would have to be looked at.
    if (level > 1 && (lo & TABLE_BITS) === EPT_READ && hi === 0) {
      table = lo & ~0xfff;
      if (table < 0 || table >= layout.totalBytes) return outside(cpu, 'table');
      continue;
    }
    if ((lo & 7) === 0) return violation(cpu, gpaLo, gpaHi, qualification, gvaLo, gvaHi);
    if (isEptMisconfigured(level, lo, hi, reservedHigh)) return misconfiguration(cpu, gpaLo, gpaHi, gvaLo, gvaHi);
    if (isEptLeaf(level, lo)) {
      if ((rights & need) !== need) {
        const mapped = qualification | (rights << EPT_VIOLATION_RIGHTS_SHIFT);
        return violation(cpu, gpaLo, gpaHi, mapped, gvaLo, gvaHi);
      }
      const offset = level === 1 ? 0 : gpaLo & (level === 2 ? 0x1f_f000 : 0x3fff_f000);
      const page = (lo & ~0xfff) + offset;
      if ((hi & 0xf_ffff) !== 0 || page < 0 || page >= layout.totalBytes) return outside(cpu, 'leaf');
      if (r[VCPU_EPT_AD] !== 0) {
        const write = (need & NESTED_WRITE) !== 0;
        const dirty = (lo & EPT_DIRTY) !== 0;
        if ((accessed === 0 || (write && !dirty)) && !markEpt(cpu, gpaLo, gpaHi, level, write)) {
          return walkEpt(cpu, gpaLo, gpaHi, need, qualification, gvaLo, gvaHi);
        }
        // The first write to a clean page has to come by here and set D.
        if (!write && !dirty) rights &= ~NESTED_WRITE;
      }
      return enterNested(r, gpaLo, gpaHi, page, rights);
    }
    table = lo & ~0xfff;
    if ((hi & 0xf_ffff) !== 0 || table < 0 || table >= layout.totalBytes) return outside(cpu, 'table');
  }
}

/**
 * Sets A in the entries of a translation that was found good, and for a write D in its leaf.
 * @returns false when another processor or KVM changed an entry meanwhile: the walk is to be done again
 */
function markEpt(cpu: Cpu, gpaLo: number, gpaHi: number, leafLevel: number, write: boolean): boolean {
  const { i32 } = cpu.arena;
  let table = cpu.r[VCPU_ROOT_HPA] & ~0xfff;
  for (let level = 4; ; level--) {
    const at = (table >> 2) + (tableIndex(level, gpaLo, gpaHi) << 1);
    const lo = i32[at];
    if ((lo & 7) === 0 || (level > leafLevel && isEptLeaf(level, lo))) return false;
    const flags = EPT_ACCESSED | (level === leafLevel && write ? EPT_DIRTY : 0);
    if ((lo & flags) !== flags) {
      if (Atomics.compareExchange(i32, at, lo, lo | flags) !== lo) return false;
      cpu.watch?.onSpteMark(cpu, at << 2, lo);
    }
    if (level === leafLevel) return true;
    table = lo & ~0xfff;
  }
}

function recordAddresses(cpu: Cpu, gpaLo: number, gpaHi: number, gvaLo: number, gvaHi: number): void {
  const r = cpu.r;
  r[VCPU_EXIT_GPA] = gpaLo;
  r[VCPU_EXIT_GPA + 1] = gpaHi;
  r[VCPU_EXIT_GVA] = gvaLo;
  r[VCPU_EXIT_GVA + 1] = gvaHi;
}

function violation(
  cpu: Cpu,
  gpaLo: number,
  gpaHi: number,
  qualification: number,
  gvaLo: number,
  gvaHi: number,
): number {
  recordAddresses(cpu, gpaLo, gpaHi, gvaLo, gvaHi);
  cpu.r[VCPU_EXIT_QUALIFICATION] = qualification;
  cpu.r[VCPU_EXIT_QUALIFICATION + 1] = 0;
  raiseExit(cpu, EXIT_EPT_VIOLATION);
  return -1;
}

/** A misconfiguration has no qualification: it is zero. */
function misconfiguration(cpu: Cpu, gpaLo: number, gpaHi: number, gvaLo: number, gvaHi: number): number {
  recordAddresses(cpu, gpaLo, gpaHi, gvaLo, gvaHi);
  cpu.r[VCPU_EXIT_QUALIFICATION] = 0;
  cpu.r[VCPU_EXIT_QUALIFICATION + 1] = 0;
  raiseExit(cpu, EXIT_EPT_MISCONFIG);
  return -1;
}

function outside(cpu: Cpu, what: string): number {
  raiseUnimplemented(cpu, `an EPT ${what} entry points outside host memory`);
  return -1;
}
