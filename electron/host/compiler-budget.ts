/**
 * V8 inlines into a hot function until a budget of bytecode is spent: 460 bytes for one callee, 920 for all of them. The run
 * loop with its handlers, or an MMIO fault from the walk to the emulated access, is one long chain of small functions and
 * far beyond that; a call that is left over passes its 64-bit halves through memory. With this budget an MMIO exit took a
 * fifth less time (`npm run bench -- mmio`, median of five runs each, taken in turns on a busy machine).
 */
import { setFlagsFromString } from 'node:v8';

const FLAGS = ['--max-inlined-bytecode-size=2000', '--max-inlined-bytecode-size-cumulative=5000'];

/** For a thread that is about to run a machine. Holds for the whole process, and for what is compiled from now on. */
export function raiseInliningBudget(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
}
