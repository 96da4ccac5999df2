/** RDMSR and WRMSR on what this processor has. Unknown numbers are #GP(0). Privilege checks are made here. */
import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from './cpu.ts';

/** Low half returned, high half in `cpu.hi`. */
export function readMsr(_cpu: Cpu, _index: number): number {
  throw new UmbraBug('not yet');
}
export function writeMsr(_cpu: Cpu, _index: number, _lo: number, _hi: number): void {
  throw new UmbraBug('not yet');
}
/** RDTSC: #GP with CR4.TSD outside CPL 0. Low half returned, high half in `cpu.hi`. */
export function readTimestampCounter(_cpu: Cpu): number {
  throw new UmbraBug('not yet');
}
