/** The measurement of memslot changes as its starter sees it: a thread that comes, tells how far it is, and goes. */
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import type { MmuMode } from '../../core/base/machine-modes.ts';
import type { CostPoint, CostProgress, CostSetting, CostState } from '../../core/protocol/memslot-cost.ts';

export type CostMessage =
  | { readonly kind: 'running'; readonly progress: CostProgress }
  | { readonly kind: 'done'; readonly points: readonly CostPoint[] };

/** What the thread is told. */
export interface CostOrder {
  /** The guest `storm`. */
  readonly image: Uint8Array;
  readonly mmu: MmuMode;
}

interface CostOptions {
  /** The worker's module; by default the bundled one beside this module's bundle. */
  readonly workerUrl?: URL;
  readonly execArgv?: readonly string[];
}

export class CostMeasurement {
  readonly #version: string;
  readonly #options: CostOptions;
  #worker: Worker | undefined;
  #state: CostState = { kind: 'idle' };

  /** @param version of Umbra */
  constructor(version: string, options: CostOptions = {}) {
    this.#version = version;
    this.#options = options;
  }

  get state(): CostState {
    return this.#state;
  }

  /** @param image the guest `storm` */
  start(image: Uint8Array, mmu: MmuMode): CostState {
    if (this.#worker !== undefined) return this.#state;
    const { workerUrl = new URL('./cost-worker.js', import.meta.url), execArgv } = this.#options;
    const order: CostOrder = { image, mmu };
    const worker = new Worker(workerUrl, {
      workerData: order,
      ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    });
    worker.unref();
    this.#worker = worker;
    const setting = settingOf(mmu, this.#version);
    this.#state = { kind: 'running', setting, progress: { done: 0, of: 1, text: 'starting', points: [] } };
    worker.on('message', (message: CostMessage) => {
      if (worker === this.#worker) this.#state = { ...message, setting };
    });
    worker.on('error', ({ message }) => this.#end(worker, { kind: 'failed', setting, message, points: this.#points }));
    worker.on('exit', (code) => {
      const message = `the thread that measures ended with status ${code}`;
      const isDone = this.#state.kind === 'done';
      this.#end(worker, isDone ? this.#state : { kind: 'failed', setting, message, points: this.#points });
    });
    return this.#state;
  }

  /** For whoever could not even start it. */
  refuse(message: string, mmu: MmuMode): CostState {
    if (this.#worker === undefined) {
      this.#state = { kind: 'failed', setting: settingOf(mmu, this.#version), message, points: [] };
    }
    return this.#state;
  }

  async cancel(): Promise<CostState> {
    const worker = this.#worker;
    if (worker === undefined || this.#state.kind !== 'running') return this.#state;
    this.#end(worker, { kind: 'cancelled', setting: this.#state.setting, points: this.#points });
    await worker.terminate();
    return this.#state;
  }

  get #points(): readonly CostPoint[] {
    return this.#state.kind === 'running' ? this.#state.progress.points : [];
  }

  #end(worker: Worker, state: CostState): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.#state = state;
  }
}

function settingOf(mmu: MmuMode, version: string): CostSetting {
  const { node, v8, electron } = process.versions;
  const cores = os.availableParallelism();
  return {
    mmu,
    startedAt: new Date().toISOString(),
    processor: `${os.cpus().at(0)?.model.trim() ?? 'unknown processor'}, ${cores} ${cores === 1 ? 'core' : 'cores'}`,
    system: `${os.platform()} ${os.release()} ${os.arch()}`,
    runtime: `Umbra ${version}, ${electron === undefined ? `Node ${node}` : `Electron ${electron}`}, V8 ${v8}`,
  };
}
