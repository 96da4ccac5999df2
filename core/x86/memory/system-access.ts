/**
 * The processor's own accesses to descriptor tables, the TSS and stacks it switches to: supervisor accesses whatever the
 * CPL is (SDM vol 3A, "Access Rights": implicit supervisor-mode accesses).
 */
import type { Cpu } from '../cpu.ts';
import { loadAs, storeAs } from './memory-access-slow.ts';
import { ACCESS_IMPLICIT, PFERR_USER } from '../paging/paging-entry.ts';

/** `size` 1, 2, 4 or 8; the high half of eight bytes in `cpu.hi`. Check `cpu.abort`. */
export function systemLoad(cpu: Cpu, lo: number, hi: number, size: number): number {
  return loadAs(cpu, lo, hi, size, ACCESS_IMPLICIT);
}

export function systemStore(cpu: Cpu, lo: number, hi: number, size: number, valueLo: number, valueHi: number): void {
  storeAs(cpu, lo, hi, size, valueLo, valueHi, ACCESS_IMPLICIT);
}

const accessOf = (cpl: number): number => ACCESS_IMPLICIT | (cpl === 3 ? PFERR_USER : 0);

/** A store on the stack of the level that is about to be entered. */
export function stackStore(
  cpu: Cpu,
  cpl: number,
  lo: number,
  hi: number,
  size: number,
  valueLo: number,
  valueHi: number,
): void {
  storeAs(cpu, lo, hi, size, valueLo, valueHi, accessOf(cpl));
}
