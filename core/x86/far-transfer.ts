/**
 * Control transfers that load CS. All privilege checks are made here. RIP is that of the next instruction on entry and the
 * target's on return; on an abort nothing has changed. `size` is the operand size in bytes (2, 4, 8).
 */
import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from './cpu.ts';

export function farJump(_cpu: Cpu, _selector: number, _offsetLo: number, _offsetHi: number, _size: number): void {
  throw new UmbraBug('not yet');
}
export function farCall(_cpu: Cpu, _selector: number, _offsetLo: number, _offsetHi: number, _size: number): void {
  throw new UmbraBug('not yet');
}
/** RETF and RETF imm16 (`release` bytes of parameters). */
export function farReturn(_cpu: Cpu, _size: number, _release: number): void {
  throw new UmbraBug('not yet');
}
/** IRET, IRETD, IRETQ. */
export function interruptReturn(_cpu: Cpu, _size: number): void {
  throw new UmbraBug('not yet');
}
/** INT n. */
export function softwareInterrupt(_cpu: Cpu, _vector: number): void {
  throw new UmbraBug('not yet');
}
/** INT3 (0xCC). */
export function breakpointInterrupt(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
/** INTO with OF set (the caller tests OF). */
export function overflowInterrupt(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
/** INT1 (0xF1). */
export function debugInterrupt(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
export function syscall(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
/** SYSRET; `size` 8 with REX.W, else 4. */
export function sysret(_cpu: Cpu, _size: number): void {
  throw new UmbraBug('not yet');
}
export function sysenter(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
export function sysexit(_cpu: Cpu, _size: number): void {
  throw new UmbraBug('not yet');
}
