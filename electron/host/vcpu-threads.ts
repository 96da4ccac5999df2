/** Threads for vCPUs: workers beside the engine's, which share the machine's arena with it. */
import { Worker } from 'node:worker_threads';
import type { LaunchVcpu } from '../../core/machine/index.ts';

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
    // Its own end it tells on the board; an end without that is noticed there too.
    worker.on('error', () => {});
    worker.unref();
    return { terminate: () => void worker.terminate() };
  };
}
