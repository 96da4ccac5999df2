/**
 * The engine as the main thread holds it: a worker that runs the machine, requests and answers matched by number, and a word
 * in the arena that ends a running slice at once. When the worker dies the host stays: it says so once, with what the arena
 * still tells, and answers every request with `engine-crashed` until a machine is made anew: `machine.create` starts a fresh
 * worker, and so does `machine.reset`, with the image and options that the dead one had. The breakpoints stay, as they do
 * over a reset.
 */
import { Worker } from 'node:worker_threads';
import { attachArena, type Arena } from '../../core/arena/arena.ts';
import { CONTROL_REQUEST, REQUEST_MESSAGES, REQUEST_PAUSE } from '../../core/arena/control-layout.ts';
import type { EngineClient } from '../../core/protocol/client.ts';
import type { EngineEvent } from '../../core/protocol/events.ts';
import { sendableSpec } from '../../core/protocol/breakpoint-spec.ts';
import type { Answer, Params, RequestName } from '../../core/protocol/requests.ts';
import type { BreakpointSnapshot, BreakpointSpec } from '../../core/protocol/snapshots.ts';
import { lastWords } from './last-words.ts';
import type { HostMessage, WorkerMessage, WorkerRequest, WorkerSetup } from './worker-messages.ts';

export interface EngineHostOptions {
  /** The worker's module; by default the bundled one beside this module's bundle. */
  readonly workerUrl?: URL;
  /** Node options of the worker's thread, for a worker that runs from source. */
  readonly execArgv?: readonly string[];
  /** Lets {@link EngineHost.crashForTest} work. Only tests of the program's behaviour in a crash ask for it. */
  readonly allowCrash?: boolean;
}

type AnyAnswer = Answer<RequestName>;
/** What a machine is made from. */
export type MachineRecipe = Params<'machine.create'>;

/** One life of a worker. */
interface Life {
  readonly worker: Worker;
  readonly pending: Map<number, (answer: AnyAnswer) => void>;
  /** What has been asked in this turn of the loop and not been sent. */
  outbox: WorkerRequest[];
  arena: Arena | undefined;
  /** Why it ended; set once. */
  ended: string | undefined;
}

export class EngineHost implements EngineClient {
  readonly #options: EngineHostOptions;
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  #answeringMs = 0;
  #life: Life;
  #nextId = 1;
  #closed = false;
  /** The last machine that was made, and the breakpoints as last heard: what a new worker has to be told. */
  #present: MachineRecipe | undefined;
  #breakpoints: readonly BreakpointSnapshot[] = [];
  /** Symbols, by breakpoint, that wait for an image to be looked up in. */
  readonly #unnamed = new Map<number, Extract<BreakpointSpec, { kind: 'exec' | 'data' }>>();

  private constructor(options: EngineHostOptions, life: Life) {
    this.#options = options;
    this.#life = life;
  }

  /** Resolves when the worker is ready for requests. */
  static async start(options: EngineHostOptions = {}): Promise<EngineHost> {
    const life = spawn({ ...options, allowCrash: options.allowCrash ?? process.env['UMBRA_E2E'] === '1' });
    const host = new EngineHost(options, life);
    await host.#watch(life);
    return host;
  }

  async request<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    if (this.#closed) return crashed('the engine was closed.');
    if (this.#life.ended !== undefined) {
      if (name !== 'machine.create' && (name !== 'machine.reset' || this.#present === undefined)) {
        return crashed(`the engine crashed (${this.#life.ended}); start the machine again or load an image.`);
      }
      const failure = await this.#restart();
      if (failure !== undefined) return crashed(failure);
    }
    const recipe = this.#recipeOf(name, params);
    if (name === 'state.openEnd') return (await this.#openState()) as Answer<K>;
    if (recipe === undefined) return this.#ask(name, params);
    // Both replies are the new machine's status.
    return (await this.#make(recipe)) as Answer<K>;
  }

  /** For how long the engine's thread has answered instead of running the guest, since the host was started. */
  get answeringMs(): number {
    return this.#answeringMs;
  }

  /** What the machine was made from, for whoever shows it or makes it again with other options. */
  get present(): MachineRecipe | undefined {
    return this.#present;
  }

  /** A machine is made by `machine.create`, and by a reset where the worker has none of its own: after a crash. */
  #recipeOf(name: RequestName, params: unknown): MachineRecipe | undefined {
    // The params of a request are those of its name.
    if (name === 'machine.create') return params as MachineRecipe;
    return name === 'machine.reset' && this.#life.arena === undefined ? this.#present : undefined;
  }

  /** A machine came out of a saved state: what it would be made from anew came with it. */
  async #openState(): Promise<Answer<'state.openEnd'>> {
    const answer = await this.#ask('state.openEnd', {});
    if (answer.ok)
      this.#present = { image: answer.value.image, name: answer.value.name, options: answer.value.options };
    return answer;
  }

  async #make(recipe: MachineRecipe): Promise<Answer<'machine.create'>> {
    const answer = await this.#ask('machine.create', recipe);
    if (!answer.ok) return answer;
    this.#present = recipe;
    await this.#nameBreakpoints();
    return answer;
  }

  async #ask<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    const life = this.#life;
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = new Promise<AnyAnswer>((resolve) => life.pending.set(id, resolve));
    // What is asked together ends the running slice once.
    if (life.outbox.length === 0) queueMicrotask(() => sendOutbox(life));
    life.outbox.push({ id, name, params });
    // The worker answers a request with the reply of its own name.
    return (await answer) as Answer<K>;
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Kills the worker, or the thread of a vCPU, from inside. @throws when the host was not started with `allowCrash` (UMBRA_E2E=1) */
  crashForTest(vcpu?: number): void {
    if (!(this.#options.allowCrash ?? process.env['UMBRA_E2E'] === '1')) {
      throw new Error('crashForTest is for tests: start the host with allowCrash');
    }
    post(this.#life, { kind: 'crash', vcpu });
    knock(this.#life, REQUEST_MESSAGES);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    await this.#life.worker.terminate();
  }

  async #restart(): Promise<string | undefined> {
    const life = spawn({ ...this.#options, allowCrash: this.#options.allowCrash ?? process.env['UMBRA_E2E'] === '1' });
    this.#life = life;
    try {
      await this.#watch(life);
      await this.#rearm();
      return undefined;
    } catch (error) {
      return `the engine did not start again: ${messageOf(error)}`;
    }
  }

  /** Sets the breakpoints of the dead worker in the new one. Symbols come later: there is no image yet to look them up in. */
  async #rearm(): Promise<void> {
    const kept = this.#breakpoints;
    this.#unnamed.clear();
    for (const { spec, enabled, once, stopAtHit, hitMode, condition, log, vcpu } of kept) {
      const wish = { spec: withoutSymbol(spec), enabled, once, stopAtHit, hitMode, condition, log, vcpu };
      const added = await this.#ask('breakpoints.add', wish);
      const named = (spec.kind === 'exec' || spec.kind === 'data') && spec.symbol !== undefined;
      if (added.ok && named) this.#unnamed.set(added.value.id, spec);
    }
  }

  /** A symbol that this image has too decides the address; else the breakpoint stays where it was. */
  async #nameBreakpoints(): Promise<void> {
    const unnamed = [...this.#unnamed];
    this.#unnamed.clear();
    for (const [id, spec] of unnamed) await this.#ask('breakpoints.update', { id, spec: sendableSpec(spec) });
  }

  /** Resolves at the worker's first sign of life; from then on its end is an event. */
  #watch(life: Life): Promise<void> {
    return new Promise((resolve, reject) => {
      let ready = false;
      life.worker.on('message', (message: WorkerMessage) => {
        if (message.kind === 'ready') {
          ready = true;
          resolve();
        } else {
          this.#receive(life, message);
        }
      });
      const end = (why: string): void => {
        if (life.ended !== undefined) return;
        life.ended = why;
        if (!ready) reject(new Error(why));
        else this.#buryLife(life, why);
      };
      life.worker.on('messageerror', (error) => end(`a message of the engine could not be read: ${error.message}`));
      life.worker.on('error', (error) => end(messageOf(error)));
      life.worker.on('exit', (code) => end(`the engine's thread ended with status ${code}`));
    });
  }

  #receive(life: Life, message: Exclude<WorkerMessage, { kind: 'ready' }>): void {
    if (message.kind === 'answers') {
      this.#answeringMs += message.tookMs;
      for (const { id, answer } of message.answers) {
        life.pending.get(id)?.(answer);
        life.pending.delete(id);
      }
    } else if (message.kind === 'event') {
      this.#tell(message.event);
    } else if (message.kind === 'breakpoints') {
      this.#breakpoints = message.breakpoints;
    } else {
      life.arena = attachArena(message.buffer);
    }
  }

  #buryLife(life: Life, why: string): void {
    for (const resolve of life.pending.values()) resolve(crashed(`the engine crashed: ${why}`));
    life.pending.clear();
    if (this.#closed) return;
    this.#tell({ kind: 'crashed', message: why, lastTrace: life.arena === undefined ? [] : lastWords(life.arena) });
  }

  #tell(event: EngineEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** Without the symbol, which only an image can look up. */
function withoutSymbol(spec: BreakpointSpec): Params<'breakpoints.add'>['spec'] {
  return sendableSpec(spec.kind === 'exec' || spec.kind === 'data' ? { ...spec, symbol: undefined } : spec);
}

function spawn(options: EngineHostOptions & { readonly allowCrash: boolean }): Life {
  const workerData: WorkerSetup = { allowCrash: options.allowCrash };
  const worker = new Worker(options.workerUrl ?? new URL('./engine-worker.js', import.meta.url), {
    workerData,
    ...(options.execArgv === undefined ? {} : { execArgv: [...options.execArgv] }),
  });
  return { worker, pending: new Map(), outbox: [], arena: undefined, ended: undefined };
}

function sendOutbox(life: Life): void {
  const requests = life.outbox;
  life.outbox = [];
  post(life, { kind: 'requests', requests });
  const isPause = requests.some(({ name }) => name === 'run.pause');
  knock(life, isPause ? REQUEST_PAUSE | REQUEST_MESSAGES : REQUEST_MESSAGES);
}

function post(life: Life, message: HostMessage): void {
  life.worker.postMessage(message);
}

/** Ends the slice that is running, if one is. */
function knock(life: Life, words: number): void {
  if (life.arena === undefined) return;
  Atomics.or(life.arena.i32, life.arena.layout.control / 4 + CONTROL_REQUEST, words);
}

const crashed = (
  message: string,
): { readonly ok: false; readonly error: { code: 'engine-crashed'; message: string; memslot: undefined } } => ({
  ok: false,
  error: { code: 'engine-crashed', message, memslot: undefined },
});

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
