/** The engine in this thread, driven step by step: nothing but the guest and its input decides what happens. */
import { DebugSession } from '../../core/debug/debug-session.ts';
import type { Ask } from '../../core/debug/run/stop-report.ts';
import type { EngineEvent } from '../../core/protocol/events.ts';
import type { Params, Reply, RequestName } from '../../core/protocol/requests.ts';
import type { MemslotRefusal } from '../../core/protocol/snapshots.ts';
import { allocateArena } from '../host/arena-memory.ts';
import { stateCodec } from '../host/state-codec.ts';
import { vcpuLauncher } from '../host/vcpu-threads.ts';
import { CliFailure } from './exit-status.ts';

/** A request that was refused, as a sentence. `memslot` is there when a memslot call was refused. */
export class RequestRefused extends CliFailure {
  override readonly name: string = 'RequestRefused';
  readonly memslot: MemslotRefusal | undefined;

  constructor(message: string, memslot: MemslotRefusal | undefined) {
    super(message);
    this.memslot = memslot;
  }
}

export class EngineSession {
  readonly #engine: DebugSession;

  constructor(onEvent: (event: EngineEvent) => void) {
    this.#engine = new DebugSession({
      allocate: allocateArena,
      now: () => performance.now(),
      emit: onEvent,
      launchVcpu: vcpuLauncher(),
      codec: stateCodec,
    });
  }

  /** Refusals as data. */
  readonly answer: Ask = (name, params) => this.#engine.handle(name, params);

  /** @throws RequestRefused */
  ask<K extends RequestName>(name: K, params: Params<K>): Reply<K> {
    const answer = this.answer(name, params);
    if (!answer.ok) throw new RequestRefused(answer.error.message, answer.error.memslot);
    return answer.value;
  }

  get running(): boolean {
    return this.#engine.running;
  }

  slice(): void {
    this.#engine.slice();
  }

  /** Runs on until the machine stands still. For guests that want no input. */
  runToStop(untilInsns?: number): Reply<'machine.status'> {
    this.ask('run.continue', untilInsns === undefined ? {} : { untilInsns });
    while (this.#engine.running) this.#engine.slice();
    return this.ask('machine.status', {});
  }
}
