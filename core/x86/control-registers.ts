/** MOV to and from CR and DR, and the instructions on CR0 and the TLB. Privilege checks are made here. */
import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from './cpu.ts';

/** MOV r, CRn: low half returned, high half in `cpu.hi`. Numbers other than 0, 2, 3, 4, 8: #UD. */
export function readControlRegister(_cpu: Cpu, _n: number): number {
  throw new UmbraBug('not yet');
}
/** MOV CRn, r. Outside 64-bit mode pass 0 as `hi`. */
export function writeControlRegister(_cpu: Cpu, _n: number, _lo: number, _hi: number): void {
  throw new UmbraBug('not yet');
}
export function readDebugRegister(_cpu: Cpu, _n: number): number {
  throw new UmbraBug('not yet');
}
export function writeDebugRegister(_cpu: Cpu, _n: number, _lo: number, _hi: number): void {
  throw new UmbraBug('not yet');
}
/** LMSW. */
export function loadMachineStatusWord(_cpu: Cpu, _value: number): void {
  throw new UmbraBug('not yet');
}
/** SMSW: CR0 (the caller stores 16, 32 or 64 bits of it). */
export function storeMachineStatusWord(_cpu: Cpu): number {
  throw new UmbraBug('not yet');
}
/** CLTS. */
export function clearTaskSwitched(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
/** INVLPG. */
export function invalidatePage(_cpu: Cpu, _lo: number, _hi: number): void {
  throw new UmbraBug('not yet');
}
/** WBINVD, INVD: only the privilege check is visible, there is no cache to write back. */
export function writeBackCaches(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
