/** MOV to and from CR and DR, and the instructions on CR0 and the TLB. Privilege checks are made here. */
import {
  CS,
  SEG_ATTRIBUTES,
  VCPU_CODE_BITS,
  VCPU_CPL,
  VCPU_CR0,
  VCPU_CR2,
  VCPU_CR3,
  VCPU_CR4,
  VCPU_CR8,
  VCPU_EFER,
  VCPU_MAXPHYADDR,
} from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { raiseGp, raiseUd } from '../interrupts/exceptions.ts';
import {
  CR0_AM,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_FSGSBASE,
  CR4_MCE,
  CR4_PAE,
  CR4_PCE,
  CR4_PGE,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  EFER_LMA,
  EFER_LME,
} from '../paging/paging-entry.ts';
import { loadPdptes } from '../paging/paging-pdpte.ts';
import { isCanonical } from '../memory/linear-address.ts';
import { ATTR_LONG, isLongMode, segmentWords, updateCodeBits } from '../segments/segments-descriptor.ts';
import { flushTlb, flushTlbNonGlobal, flushTlbPage } from '../tlb/tlb.ts';

export { readDebugRegister, writeDebugRegister } from './system-debug-registers.ts';

export const CR0_DEFINED =
  CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
/** What this processor offers; the rest of CR4 is reserved (cpuid.ts says the same). */
export const CR4_DEFINED =
  CR4_TSD | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_FSGSBASE | CR4_SMEP | CR4_SMAP;
/** A change of these makes every cached translation doubtful. */
const CR0_FLUSHES = CR0_PE | CR0_WP | CR0_PG;
const CR4_FLUSHES = CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP;

/** #GP(0) outside CPL 0. */
export function requireKernel(cpu: Cpu): boolean {
  if (cpu.r[VCPU_CPL] === 0) return true;
  raiseGp(cpu, 0);
  return false;
}

/** MOV r, CRn: low half returned, high half in `cpu.hi`. Numbers other than 0, 2, 3, 4, 8: #UD. */
export function readControlRegister(cpu: Cpu, n: number): number {
  const at = wordsOf(cpu, n);
  if (at < 0) {
    raiseUd(cpu);
    return 0;
  }
  if (!requireKernel(cpu)) return 0;
  cpu.hi = cpu.r[at + 1];
  return cpu.r[at];
}

function wordsOf(cpu: Cpu, n: number): number {
  switch (n) {
    case 0:
      return VCPU_CR0;
    case 2:
      return VCPU_CR2;
    case 3:
      return VCPU_CR3;
    case 4:
      return VCPU_CR4;
    case 8:
      return cpu.r[VCPU_CODE_BITS] === 64 ? VCPU_CR8 : -1;
    default:
      return -1;
  }
}

/** MOV CRn, r. Outside 64-bit mode pass 0 as `hi`. */
export function writeControlRegister(cpu: Cpu, n: number, lo: number, hi: number): void {
  const r = cpu.r;
  if (wordsOf(cpu, n) < 0) return raiseUd(cpu);
  if (!requireKernel(cpu)) return;
  switch (n) {
    case 0:
      return writeCr0(cpu, lo, hi);
    case 2:
      r[VCPU_CR2] = lo;
      r[VCPU_CR2 + 1] = hi;
      return;
    case 3:
      return writeCr3(cpu, lo, hi);
    case 4:
      return writeCr4(cpu, lo, hi);
    default:
      if (hi !== 0 || (lo & ~0xf) !== 0) return raiseGp(cpu, 0);
      r[VCPU_CR8] = lo;
  }
}

function writeCr0(cpu: Cpu, lo: number, hi: number): void {
  const r = cpu.r;
  const old = r[VCPU_CR0];
  const value = (lo & CR0_DEFINED) | CR0_ET;
  if (hi !== 0) return raiseGp(cpu, 0);
  if ((value & CR0_PG) !== 0 && (value & CR0_PE) === 0) return raiseGp(cpu, 0);
  if ((value & CR0_NW) !== 0 && (value & CR0_CD) === 0) return raiseGp(cpu, 0);
  const pagingOn = (value & ~old & CR0_PG) !== 0;
  const pagingOff = (old & ~value & CR0_PG) !== 0;
  if (pagingOn && !allowPaging(cpu)) return;
  if (pagingOff && r[VCPU_CODE_BITS] === 64) return raiseGp(cpu, 0);
  const pae = (r[VCPU_CR4] & CR4_PAE) !== 0 && (r[VCPU_EFER] & EFER_LME) === 0;
  if ((value & CR0_PG) !== 0 && pae && ((value ^ old) & (CR0_CD | CR0_NW | CR0_PG)) !== 0) {
    if (!loadPdptes(cpu, r[VCPU_CR3])) return;
  }
  r[VCPU_CR0] = value;
  if (pagingOn && (r[VCPU_EFER] & EFER_LME) !== 0) r[VCPU_EFER] |= EFER_LMA;
  if (pagingOff) r[VCPU_EFER] &= ~EFER_LMA;
  if (((value ^ old) & CR0_FLUSHES) !== 0) flushTlb(cpu);
  updateCodeBits(cpu);
}

/** What setting CR0.PG asks of the rest (SDM vol 3A, "Initializing IA-32e Mode"). */
function allowPaging(cpu: Cpu): boolean {
  const r = cpu.r;
  if ((r[VCPU_EFER] & EFER_LME) === 0) return true;
  const long = (r[segmentWords(CS) + SEG_ATTRIBUTES] & ATTR_LONG) !== 0;
  if ((r[VCPU_CR4] & CR4_PAE) !== 0 && !long) return true;
  raiseGp(cpu, 0);
  return false;
}

function writeCr3(cpu: Cpu, lo: number, hi: number): void {
  const r = cpu.r;
  if (isLongMode(r)) {
    const bits = r[VCPU_MAXPHYADDR] - 32;
    if (bits < 32 && hi >>> bits !== 0) return raiseGp(cpu, 0);
  } else if ((r[VCPU_CR0] & CR0_PG) !== 0 && (r[VCPU_CR4] & CR4_PAE) !== 0) {
    if (!loadPdptes(cpu, lo)) return;
  }
  r[VCPU_CR3] = lo;
  r[VCPU_CR3 + 1] = hi;
  flushTlbNonGlobal(cpu);
}

function writeCr4(cpu: Cpu, lo: number, hi: number): void {
  const r = cpu.r;
  const old = r[VCPU_CR4];
  if (hi !== 0 || (lo & ~CR4_DEFINED) !== 0) return raiseGp(cpu, 0);
  if (isLongMode(r) && (lo & CR4_PAE) === 0) return raiseGp(cpu, 0);
  const paging = (r[VCPU_CR0] & CR0_PG) !== 0;
  const reload = ((lo ^ old) & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) !== 0;
  if (paging && !isLongMode(r) && (lo & CR4_PAE) !== 0 && reload && !loadPdptes(cpu, r[VCPU_CR3])) return;
  r[VCPU_CR4] = lo;
  if (((lo ^ old) & CR4_FLUSHES) !== 0) flushTlb(cpu);
}

/** LMSW: the low four bits of CR0, but PE cannot be cleared. */
export function loadMachineStatusWord(cpu: Cpu, value: number): void {
  if (!requireKernel(cpu)) return;
  const cr0 = cpu.r[VCPU_CR0];
  writeCr0(cpu, (cr0 & ~0xe) | (value & 0xf), 0);
}

/** SMSW: CR0 (the caller stores 16, 32 or 64 bits of it). UMIP is not offered, so any CPL may. */
export function storeMachineStatusWord(cpu: Cpu): number {
  return cpu.r[VCPU_CR0];
}

/** CLTS. */
export function clearTaskSwitched(cpu: Cpu): void {
  if (requireKernel(cpu)) cpu.r[VCPU_CR0] &= ~CR0_TS;
}

/** INVLPG. A non-canonical address is ignored. */
export function invalidatePage(cpu: Cpu, lo: number, hi: number): void {
  if (!requireKernel(cpu)) return;
  if (cpu.r[VCPU_CODE_BITS] === 64 && !isCanonical(hi)) return;
  flushTlbPage(cpu, lo, hi);
}

/** WBINVD, INVD: only the privilege check is visible, there is no cache to write back. */
export function writeBackCaches(cpu: Cpu): void {
  requireKernel(cpu);
}
