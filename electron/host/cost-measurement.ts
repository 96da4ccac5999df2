/** The measurement of memslot changes as its starter sees it: a thread that comes, tells how far it is, and goes. */
import { Worker } from 'node:worker_threads';
import type { CostPoint, CostState } from '../../core/protocol/memslot-cost.ts';

export type CostMessage = Extract<CostState, { kind: 'running' | 'done' }>;

interface CostOptions {
  /** The worker's module; by default the bundled one beside this module's bundle. */
  readonly workerUrl?: URL;
  readonly execArgv?: readonly string[];
}

export class CostMeasurement {
  readonly #options: CostOptions;
  #worker: Worker | undefined;
  #state: CostState = { kind: 'idle' };

  constructor(options: CostOptions = {}) {
    this.#options = options;
  }

  get state(): CostState {
    return this.#state;
  }

  /** @param image the guest `storm` */
  start(image: Uint8Array): CostState {
    if (this.#worker !== undefined) return this.#state;
    const { workerUrl = new URL('./cost-worker.js', import.meta.url), execArgv } = this.#options;
    const worker = new Worker(workerUrl, {
      workerData: image,
      ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    });
    worker.unref();
    this.#worker = worker;
    this.#state = { kind: 'running', progress: { done: 0, of: 1, text: 'starting', points: [] } };
    worker.on('message', (message: CostMessage) => {
      if (worker === this.#worker) this.#state = message;
    });
    worker.on('error', (error) => this.#end(worker, { kind: 'failed', message: error.message, points: this.#points }));
    worker.on('exit', (code) => {
      const ended = this.#state.kind === 'done' ? this.#state : failedWith(code, this.#points);
      this.#end(worker, ended);
    });
    return this.#state;
  }

  async cancel(): Promise<CostState> {
    const worker = this.#worker;
    if (worker === undefined) return this.#state;
    this.#end(worker, { kind: 'cancelled', points: this.#points });
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

const failedWith = (code: number, points: readonly CostPoint[]): CostState => ({
  kind: 'failed',
  points,
  message: `the thread that measures ended with status ${code}`,
});
