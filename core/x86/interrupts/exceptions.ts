/**
 * Raising exceptions: the record of what is to be delivered. Delivery through the IDT is in interrupts.ts.
 *
 * A fault is data, not control flow: the function that meets one writes it down here, sets `cpu.abort`, and everybody on
 * the way up returns at once.
 */
import { VCPU_EXIT_ERROR_CODE, VCPU_EXIT_GVA, VCPU_EXIT_REASON, VCPU_EXIT_VECTOR } from '../../arena/vcpu-layout.ts';
import type { Cpu } from '../cpu.ts';
import { ABORT_EXCEPTION, ABORT_EXIT, ABORT_UNIMPLEMENTED } from '../system/exits.ts';

// Vectors (SDM vol 3A, "Exception and Interrupt Vectors").
export const VECTOR_DE = 0;
export const VECTOR_DB = 1;
export const VECTOR_NMI = 2;
export const VECTOR_BP = 3;
export const VECTOR_OF = 4;
export const VECTOR_BR = 5;
export const VECTOR_UD = 6;
export const VECTOR_NM = 7;
export const VECTOR_DF = 8;
export const VECTOR_TS = 10;
export const VECTOR_NP = 11;
export const VECTOR_SS = 12;
export const VECTOR_GP = 13;
export const VECTOR_PF = 14;
export const VECTOR_MF = 16;
export const VECTOR_AC = 17;
export const VECTOR_XM = 19;

/** Bit n set: vector n pushes an error code (in protected and long mode; never in real mode). */
export const VECTORS_WITH_ERROR_CODE = 0b10_0111_1101_0000_0000;

/** In VCPU_EXIT_VECTOR beside the vector: the #GP came from a non-canonical address, see {@link turnIntoStackFault}. */
const NON_CANONICAL = 0x100;

export function raiseException(cpu: Cpu, vector: number, hasError: boolean, errorCode: number): void {
  cpu.r[VCPU_EXIT_VECTOR] = vector;
  cpu.r[VCPU_EXIT_ERROR_CODE] = hasError ? errorCode : 0;
  cpu.abort = ABORT_EXCEPTION;
}

/** #GP with an error code: a selector's index and table bits, or 0. */
export function raiseGp(cpu: Cpu, errorCode: number): void {
  raiseException(cpu, VECTOR_GP, true, errorCode);
}

export function raiseUd(cpu: Cpu): void {
  raiseException(cpu, VECTOR_UD, false, 0);
}

/** CR2 is loaded when the fault is delivered, not here: an access that is only tried must leave it alone. */
export function raisePageFault(cpu: Cpu, lo: number, hi: number, errorCode: number): void {
  cpu.r[VCPU_EXIT_GVA] = lo;
  cpu.r[VCPU_EXIT_GVA + 1] = hi;
  raiseException(cpu, VECTOR_PF, true, errorCode);
}

/** #GP(0) for a linear address that is not canonical. */
export function raiseNonCanonical(cpu: Cpu): void {
  raiseException(cpu, VECTOR_GP | NON_CANONICAL, true, 0);
}

/**
 * Memory functions do not know which segment an address came from. Whoever does, and sees that it was the stack's, calls
 * this after an abort: a #GP for a non-canonical address becomes #SS(0); anything else stays what it is.
 */
export function turnIntoStackFault(cpu: Cpu): void {
  if (cpu.abort === ABORT_EXCEPTION && cpu.r[VCPU_EXIT_VECTOR] === (VECTOR_GP | NON_CANONICAL)) {
    cpu.r[VCPU_EXIT_VECTOR] = VECTOR_SS;
  }
}

/** The vector of the exception that is waiting to be delivered. */
export function raisedVector(cpu: Cpu): number {
  return cpu.r[VCPU_EXIT_VECTOR] & 0xff;
}

/** Leaves the guest with `reason`; the caller has filled in what belongs to it. */
export function raiseExit(cpu: Cpu, reason: number): void {
  cpu.r[VCPU_EXIT_REASON] = reason;
  cpu.abort = ABORT_EXIT;
}

/** Stops the machine loudly: the guest asked for something that is not built. */
export function raiseUnimplemented(cpu: Cpu, what: string): void {
  cpu.unimplemented = what;
  cpu.abort = ABORT_UNIMPLEMENTED;
}
