/**
 * Threads for vCPUs: workers that share the machine's arena with the engine's. They are not its own workers but those of a
 * warden beside it, because the end of a thread is an event in the loop of its parent. The engine may be far from its loop,
 * waiting for a lock that the thread died with; the warden does nothing but listen.
 */
import { Worker } from 'node:worker_threads';
import { attachArena } from '../../core/arena/arena.ts';
import { buryVcpu, type LaunchVcpu, ThreadBoard } from '../../core/machine/index.ts';
import type { WardenOrder } from './vcpu-warden.ts';

/** What a vCPU's worker is started with. */
export interface VcpuWorkerSetup {
  readonly arena: SharedArrayBuffer;
  readonly board: SharedArrayBuffer;
  readonly vcpu: number;
}

/**
 * @param url the module of the vCPUs' threads; by default the bundled one beside this module's bundle
 * @param wardenUrl the warden's
 */
export function vcpuLauncher(
  url: URL = new URL('./vcpu-worker.js', import.meta.url),
  wardenUrl: URL = new URL('./vcpu-warden.js', import.meta.url),
): LaunchVcpu {
  let warden: Worker | undefined;
  /** Threads that are in the warden's charge, by the numbers of their launches. */
  const charges = new Map<number, VcpuWorkerSetup>();
  let launches = 0;
  const order = (what: WardenOrder): void => warden?.postMessage(what);

  const appoint = (): Worker => {
    const worker = new Worker(wardenUrl, { workerData: url.href });
    worker.unref();
    const end = (why: string): void => {
      if (warden === worker) warden = undefined;
      for (const { arena, board, vcpu } of charges.values()) {
        buryVcpu(attachArena(arena), new ThreadBoard(board), vcpu, `the warden of the threads is gone: ${why}`);
      }
      charges.clear();
    };
    worker.on('error', (error) => end(error.message));
    worker.on('exit', (code) => end(`it ended with status ${code}`));
    return worker;
  };

  return (arena, board, vcpu) => {
    warden ??= appoint();
    const launch = launches++;
    const setup = { arena, board, vcpu };
    charges.set(launch, setup);
    order({ kind: 'launch', launch, setup });
    return {
      terminate: () => {
        charges.delete(launch);
        order({ kind: 'terminate', launch });
      },
    };
  };
}
