/** The thread beside the engine's whose children the vCPUs' threads are: starts them, and hears of their ends whatever the engine does. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { attachArena } from '../../core/arena/arena.ts';
import { buryVcpu } from '../../core/machine/lost-vcpu.ts';
import { ThreadBoard } from '../../core/machine/thread-board.ts';
import type { VcpuWorkerSetup } from './vcpu-threads.ts';

export type WardenOrder =
  | { readonly kind: 'launch'; readonly launch: number; readonly setup: VcpuWorkerSetup }
  | { readonly kind: 'terminate'; readonly launch: number };

if (parentPort === null) throw new Error('vcpu-warden runs as a worker thread only');
const url: string = workerData;
const workers = new Map<number, Worker>();

parentPort.on('message', (order: WardenOrder) => {
  if (order.kind === 'launch') launch(order.launch, order.setup);
  else {
    const worker = workers.get(order.launch);
    workers.delete(order.launch);
    void worker?.terminate();
  }
});

function launch(number: number, setup: VcpuWorkerSetup): void {
  const worker = new Worker(new URL(url), { workerData: setup });
  workers.set(number, worker);
  // What a thread can say of its end it has said on the board; this is for one that could not.
  const end = (why: string): void => {
    if (!workers.delete(number)) return;
    buryVcpu(attachArena(setup.arena), new ThreadBoard(setup.board), setup.vcpu, why);
  };
  worker.on('error', (error) => end(error.message));
  worker.on('exit', (code) => end(`it ended with status ${code}`));
}
