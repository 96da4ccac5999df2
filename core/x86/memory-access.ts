/**
 * Loads and stores of guest instructions by linear address (segment base already added). Addresses and 64-bit values are
 * int32 halves; 8- and 16-bit results are zero-extended, 32-bit ones are int32. After a call, `cpu.abort` tells whether
 * the access took place.
 */
import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from './cpu.ts';

export function load8(_cpu: Cpu, _lo: number, _hi: number): number {
  throw new UmbraBug('not yet');
}
export function load16(_cpu: Cpu, _lo: number, _hi: number): number {
  throw new UmbraBug('not yet');
}
export function load32(_cpu: Cpu, _lo: number, _hi: number): number {
  throw new UmbraBug('not yet');
}
/** The low half is returned, the high half left in `cpu.hi`. */
export function load64(_cpu: Cpu, _lo: number, _hi: number): number {
  throw new UmbraBug('not yet');
}
export function store8(_cpu: Cpu, _lo: number, _hi: number, _value: number): void {
  throw new UmbraBug('not yet');
}
export function store16(_cpu: Cpu, _lo: number, _hi: number, _value: number): void {
  throw new UmbraBug('not yet');
}
export function store32(_cpu: Cpu, _lo: number, _hi: number, _value: number): void {
  throw new UmbraBug('not yet');
}
export function store64(_cpu: Cpu, _lo: number, _hi: number, _valueLo: number, _valueHi: number): void {
  throw new UmbraBug('not yet');
}
/** Faults as a write of `size` bytes would, without writing. In emulator mode an access that misses RAM passes. */
export function probeWriteAccess(_cpu: Cpu, _lo: number, _hi: number, _size: number): void {
  throw new UmbraBug('not yet');
}
/** Arena offset of the byte at a linear address for execution; check `cpu.abort`. */
export function fetchPage(_cpu: Cpu, _lo: number, _hi: number): number {
  throw new UmbraBug('not yet');
}
