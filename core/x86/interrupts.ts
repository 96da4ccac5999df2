/** Delivery of exceptions and interrupts through the IDT (SDM vol 3A, "Interrupt and Exception Handling"). */
import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from './cpu.ts';

/**
 * Delivers the exception that ABORT_EXCEPTION announced, #DF and shutdown included, and clears `cpu.abort`. RIP has to be
 * the address to push (of the faulting instruction; the next one for traps). Answers 0, or the EXIT_* that ended it
 * (then nothing is delivered and the instruction may simply be run again).
 */
export function deliverException(_cpu: Cpu): number {
  throw new UmbraBug('not yet');
}
/** Delivers an external interrupt and ends HLT: 0 or an EXIT_*. */
export function deliverInterrupt(_cpu: Cpu, _vector: number): number {
  throw new UmbraBug('not yet');
}
/** RFLAGS.IF and no shadow of STI or MOV SS: an external interrupt may be taken before the next instruction. */
export function interruptsAllowed(_cpu: Cpu): boolean {
  throw new UmbraBug('not yet');
}
