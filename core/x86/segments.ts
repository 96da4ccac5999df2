/** Segment registers and the instructions on descriptors. Privilege checks are made here. */
import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from './cpu.ts';

/** MOV Sreg, POP Sreg, LDS…: ES, SS, DS, FS or GS (CS is #UD). Starts the interrupt shadow of MOV SS. */
export function loadSegment(_cpu: Cpu, _segment: number, _selector: number): void {
  throw new UmbraBug('not yet');
}
/** Limit, type and presence outside 64-bit mode: #GP(0) or, for SS, #SS(0). `offset` is the effective address. */
export function checkSegment(_cpu: Cpu, _segment: number, _offset: number, _size: number, _write: boolean): void {
  throw new UmbraBug('not yet');
}
/** LLDT. */
export function loadLdtr(_cpu: Cpu, _selector: number): void {
  throw new UmbraBug('not yet');
}
/** LTR. */
export function loadTaskRegister(_cpu: Cpu, _selector: number): void {
  throw new UmbraBug('not yet');
}
/** SLDT and STR (`segment` LDTR or TR): the selector; #GP when CR4.UMIP forbids (UMIP is not offered). */
export function storeSystemSelector(_cpu: Cpu, _segment: number): number {
  throw new UmbraBug('not yet');
}
/** LAR: the access rights (32 bits), or −1 when the selector is not accessible (ZF = 0). */
export function loadAccessRights(_cpu: Cpu, _selector: number): number {
  throw new UmbraBug('not yet');
}
/** LSL: the scaled limit (0 … 2^32 − 1), or −1 when the selector is not accessible (ZF = 0). */
export function loadSegmentLimit(_cpu: Cpu, _selector: number): number {
  throw new UmbraBug('not yet');
}
/** VERR, VERW: the new ZF. */
export function verifySegment(_cpu: Cpu, _selector: number, _write: boolean): boolean {
  throw new UmbraBug('not yet');
}
/** LGDT (VCPU_GDTR_BASE) and LIDT (VCPU_IDTR_BASE) from memory at a linear address; `size` is the operand size. */
export function loadDescriptorTable(_cpu: Cpu, _table: number, _lo: number, _hi: number, _size: number): void {
  throw new UmbraBug('not yet');
}
/** SGDT, SIDT. */
export function storeDescriptorTable(_cpu: Cpu, _table: number, _lo: number, _hi: number): void {
  throw new UmbraBug('not yet');
}
export function swapGs(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
/** RDFSBASE, RDGSBASE (`segment` FS or GS): low half returned, high half in `cpu.hi`; #UD without CR4.FSGSBASE. */
export function readSegmentBase(_cpu: Cpu, _segment: number): number {
  throw new UmbraBug('not yet');
}
/** WRFSBASE, WRGSBASE. */
export function writeSegmentBase(_cpu: Cpu, _segment: number, _lo: number, _hi: number): void {
  throw new UmbraBug('not yet');
}
