/**
 * Loads and stores of guest instructions by linear address (segment base already added). Addresses and 64-bit values are
 * int32 halves; 8- and 16-bit results are zero-extended, 32-bit ones are int32. After a call, `cpu.abort` tells whether
 * the access took place.
 *
 * A hit in the TLB is one comparison on the page of the access's last byte, and one on the address's high half (tlb.ts).
 * With RFLAGS.AC set nothing hits, so that the slow path can look at alignment: the flag is folded into the comparison.
 */
import { VCPU_CPL, VCPU_RFLAGS } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { loadSlow, probeWriteSlow, storeSlow } from './memory-access-slow.ts';
import { loadWhole, storeWhole } from './memory-access-whole.ts';
import { PFERR_FETCH, PFERR_USER } from '../paging/paging-entry.ts';
import { translate } from '../paging/paging-translate.ts';
import { ABORT_EXIT } from '../system/exits.ts';
import { T_EXEC, T_HIGH, T_PAGE, T_READ, T_WRITE, TLB_INDEX_MASK } from '../tlb/tlb.ts';
import { TLB_AT } from '../tlb/tlb-layout.ts';

const AC_SHIFT = 18;
/** (CPL + 1) & 4 is 4 in user mode only; shifted by this it leads to the TLB's user half. */
const HALF_SHIFT = 11;

export function load8(cpu: Cpu, lo: number, hi: number): number {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  if (r[t + T_READ] === (lo | 0xfff) && r[t + T_HIGH] === hi) return cpu.arena.u8[r[t + T_PAGE] + (lo & 0xfff)];
  return loadSlow(cpu, lo, hi, 1);
}

export function load16(cpu: Cpu, lo: number, hi: number): number {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  const tag = ((lo + 1) | 0xfff) ^ ((r[VCPU_RFLAGS] >> AC_SHIFT) & 1);
  if (r[t + T_READ] === tag && r[t + T_HIGH] === hi) {
    const at = r[t + T_PAGE] + (lo & 0xfff);
    return cpu.threaded ? loadWhole(cpu, at, 2) : cpu.arena.view.getUint16(at, true);
  }
  return loadSlow(cpu, lo, hi, 2);
}

export function load32(cpu: Cpu, lo: number, hi: number): number {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  const tag = ((lo + 3) | 0xfff) ^ ((r[VCPU_RFLAGS] >> AC_SHIFT) & 1);
  if (r[t + T_READ] === tag && r[t + T_HIGH] === hi) {
    const at = r[t + T_PAGE] + (lo & 0xfff);
    return cpu.threaded ? loadWhole(cpu, at, 4) : cpu.arena.view.getInt32(at, true);
  }
  return loadSlow(cpu, lo, hi, 4);
}

/** The low half is returned, the high half left in `cpu.hi`. */
export function load64(cpu: Cpu, lo: number, hi: number): number {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  const tag = ((lo + 7) | 0xfff) ^ ((r[VCPU_RFLAGS] >> AC_SHIFT) & 1);
  if (r[t + T_READ] === tag && r[t + T_HIGH] === hi) {
    const at = r[t + T_PAGE] + (lo & 0xfff);
    if (cpu.threaded) return loadWhole(cpu, at, 8);
    const { view } = cpu.arena;
    cpu.hi = view.getInt32(at + 4, true);
    return view.getInt32(at, true);
  }
  return loadSlow(cpu, lo, hi, 8);
}

export function store8(cpu: Cpu, lo: number, hi: number, value: number): void {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  if (r[t + T_WRITE] === (lo | 0xfff) && r[t + T_HIGH] === hi) {
    cpu.arena.u8[r[t + T_PAGE] + (lo & 0xfff)] = value;
    return;
  }
  storeSlow(cpu, lo, hi, 1, value, 0);
}

export function store16(cpu: Cpu, lo: number, hi: number, value: number): void {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  const tag = ((lo + 1) | 0xfff) ^ ((r[VCPU_RFLAGS] >> AC_SHIFT) & 1);
  if (r[t + T_WRITE] === tag && r[t + T_HIGH] === hi) {
    const at = r[t + T_PAGE] + (lo & 0xfff);
    if (cpu.threaded) storeWhole(cpu, at, 2, value, 0);
    else cpu.arena.view.setInt16(at, value, true);
    return;
  }
  storeSlow(cpu, lo, hi, 2, value, 0);
}

export function store32(cpu: Cpu, lo: number, hi: number, value: number): void {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  const tag = ((lo + 3) | 0xfff) ^ ((r[VCPU_RFLAGS] >> AC_SHIFT) & 1);
  if (r[t + T_WRITE] === tag && r[t + T_HIGH] === hi) {
    const at = r[t + T_PAGE] + (lo & 0xfff);
    if (cpu.threaded) storeWhole(cpu, at, 4, value, 0);
    else cpu.arena.view.setInt32(at, value, true);
    return;
  }
  storeSlow(cpu, lo, hi, 4, value, 0);
}

export function store64(cpu: Cpu, lo: number, hi: number, valueLo: number, valueHi: number): void {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  const tag = ((lo + 7) | 0xfff) ^ ((r[VCPU_RFLAGS] >> AC_SHIFT) & 1);
  if (r[t + T_WRITE] === tag && r[t + T_HIGH] === hi) {
    const at = r[t + T_PAGE] + (lo & 0xfff);
    if (cpu.threaded) {
      storeWhole(cpu, at, 8, valueLo, valueHi);
      return;
    }
    const { view } = cpu.arena;
    view.setInt32(at, valueLo, true);
    view.setInt32(at + 4, valueHi, true);
    return;
  }
  storeSlow(cpu, lo, hi, 8, valueLo, valueHi);
}

/** Faults as a write of `size` bytes would, without writing. In emulator mode an access that misses RAM passes. */
export function probeWriteAccess(cpu: Cpu, lo: number, hi: number, size: number): void {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  const tag = ((lo + size - 1) | 0xfff) ^ ((r[VCPU_RFLAGS] >> AC_SHIFT) & 1);
  if (r[t + T_WRITE] === tag && r[t + T_HIGH] === hi) return;
  probeWriteSlow(cpu, lo, hi, size);
}

/** Arena offset of the byte at a linear address for execution, or −1 with `cpu.abort` set. */
export function fetchPage(cpu: Cpu, lo: number, hi: number): number {
  const r = cpu.r;
  const t = TLB_AT + (((r[VCPU_CPL] + 1) & 4) << HALF_SHIFT) + ((lo >>> 9) & TLB_INDEX_MASK);
  if (r[t + T_EXEC] === (lo | 0xfff) && r[t + T_HIGH] === hi) return r[t + T_PAGE] + (lo & 0xfff);
  return fetchSlow(cpu, lo, hi);
}

/** Where the processor would leave the guest, KVM's emulator fetches in its own way. */
function fetchSlow(cpu: Cpu, lo: number, hi: number): number {
  const at = translate(cpu, lo, hi, PFERR_FETCH | (cpu.r[VCPU_CPL] === 3 ? PFERR_USER : 0));
  if (cpu.abort !== ABORT_EXIT || cpu.emulator === undefined) return at;
  return cpu.emulator.fetch?.(cpu, lo, hi) ?? at;
}
