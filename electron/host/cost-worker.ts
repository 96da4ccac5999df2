/** The thread that measures what a memslot change costs: the machine of the window is not disturbed, nor is it waited for. */
import { parentPort, workerData } from 'node:worker_threads';
import { measureMemslotCost } from '../../core/debug/memslots/memslot-cost.ts';
import { allocateArena } from './arena-memory.ts';
import { raiseInliningBudget } from './compiler-budget.ts';
import type { CostMessage, CostOrder } from './cost-measurement.ts';

if (parentPort === null) throw new Error('cost-worker runs as a worker thread only');
const port = parentPort;
const { image, mmu }: CostOrder = workerData;
raiseInliningBudget();

const send = (message: CostMessage): void => port.postMessage(message);

const measurement = measureMemslotCost({ image, mmu, allocate: allocateArena, now: () => performance.now() });
for (;;) {
  const step = measurement.next();
  if (step.done === true) {
    send({ kind: 'done', points: step.value });
    break;
  }
  send({ kind: 'running', progress: step.value });
}
