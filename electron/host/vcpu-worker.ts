/** The thread of one vCPU in parallel mode. All that it hears and says goes through the board and the arena. */
import { workerData } from 'node:worker_threads';
import { ThreadEventWatch } from '../../core/debug/breakpoints/thread-event-watch.ts';
import { VcpuThread } from '../../core/machine/vcpu-thread.ts';
import { raiseInliningBudget } from './compiler-budget.ts';
import { lowerThisThread } from './thread-priority.ts';
import type { VcpuWorkerSetup } from './vcpu-threads.ts';

const { arena, board, vcpu }: VcpuWorkerSetup = workerData;
raiseInliningBudget();
// There may be one for each processor: whoever changes the machine, or shows it, must come between.
lowerThisThread();
new VcpuThread(arena, board, vcpu, (...place) => new ThreadEventWatch(...place)).serve();
