/** Threads for vCPUs: workers beside the engine's, which share the machine's arena with it. */
import { Worker } from 'node:worker_threads';
import { type LaunchVcpu, ThreadBoard } from '../../core/machine/index.ts';

/** What a vCPU's worker is started with. */
export interface VcpuWorkerSetup {
  readonly arena: SharedArrayBuffer;
  readonly board: SharedArrayBuffer;
  readonly vcpu: number;
}

/** @param url the worker's module; by default the bundled one beside this module's bundle */
export function vcpuLauncher(
  url: URL = new URL('./vcpu-worker.js', import.meta.url),
  execArgv?: readonly string[],
): LaunchVcpu {
  return (arena, board, vcpu) => {
    const workerData: VcpuWorkerSetup = { arena, board, vcpu };
    const worker = new Worker(url, { workerData, ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }) });
    worker.unref();
    let ended = false;
    // What a thread can say of its end it says on the board; this is for one that could not.
    const end = (why: string): void => {
      if (!ended) new ThreadBoard(board).noteDeath(vcpu, why);
      ended = true;
    };
    worker.on('error', (error) => end(error.message));
    worker.on('exit', (code) => end(`it ended with status ${code}`));
    return {
      terminate: () => {
        ended = true;
        void worker.terminate();
      },
    };
  };
}
