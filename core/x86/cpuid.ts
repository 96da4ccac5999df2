/** CPUID: what this processor really does, nothing more. */
import { UmbraBug } from '../base/assert.ts';
import type { Cpu } from './cpu.ts';

/** Executes CPUID on EAX and ECX; all four registers are written zero-extended. */
export function executeCpuid(_cpu: Cpu): void {
  throw new UmbraBug('not yet');
}
