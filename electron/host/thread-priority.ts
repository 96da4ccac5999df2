/**
 * Who gets a processor that several threads want (docs/adr/0013). Linux keeps a nice value for each thread, which is what is set
 * here; nobody without privileges can take back what was given up (setpriority(2)). Elsewhere a nice value is a whole process's,
 * and nothing is done.
 */
import { readdirSync } from 'node:fs';
import os from 'node:os';

/** Of those who yield to the engine's thread: a third of its weight (335 to 1024, sched_prio_to_weight). */
export const YIELDING_NICE = 5;

/** To Linux, the thread that asks. */
const THIS_THREAD = 0;

/**
 * Gives every thread of a process {@link YIELDING_NICE}, but not to those that have given up more already. Threads made later have
 * the value of their maker. A process or thread that is gone meanwhile has none to lower.
 * @param pid of a process of this user's
 * @returns how many threads were lowered
 */
export const lowerThreads = (pid: number): number => threadsOf(pid).filter(lower).length;

/** The same for the thread that calls. */
export function lowerThisThread(): void {
  if (process.platform === 'linux') lower(THIS_THREAD);
}

function lower(thread: number): boolean {
  try {
    if (os.getPriority(thread) >= YIELDING_NICE) return false;
    os.setPriority(thread, YIELDING_NICE);
    return true;
  } catch {
    return false;
  }
}

function threadsOf(pid: number): readonly number[] {
  if (process.platform !== 'linux') return [];
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}
