/**
 * An event watch on one vCPU's thread. Which breakpoints there are it knows; conditions, hits and log texts it does not: what
 * matches goes to the engine, and the vCPU stands still until the engine has decided (ADR 0011).
 */
import type { Arena } from '../../arena/arena.ts';
import type { EventOutbox, ThreadWatch, ThreadWatchState } from '../../machine/index.ts';
import { BREAKPOINT_KIND_NAMES } from '../../protocol/breakpoint-kinds.ts';
import type { Cpu } from '../../x86/index.ts';
import { eventMatches } from './breakpoint-match.ts';
import { EventWatch, type EventSink } from './event-watch.ts';
import type { MachineEvent } from './machine-event.ts';
import type { DevicePeek } from '../memory/memory-view.ts';
import { placedExecution } from './placed-execution.ts';
import { readThreadList, type ThreadBreakpoint } from '../thread-list.ts';

export class ThreadEventWatch implements ThreadWatch, EventSink {
  readonly #arena: Arena;
  readonly #cpu: Cpu;
  readonly #outbox: EventOutbox;
  readonly #events: EventWatch;
  #breakpoints: readonly ThreadBreakpoint[] = [];

  constructor(arena: Arena, bus: DevicePeek, cpu: Cpu, outbox: EventOutbox) {
    this.#arena = arena;
    this.#cpu = cpu;
    this.#outbox = outbox;
    this.#events = new EventWatch({ arena, bus, cpus: [cpu] }, this);
  }

  setList(list: Uint8Array): ThreadWatchState {
    const { armed, met } = readThreadList(list, this.#cpu.vcpuId);
    this.#breakpoints = armed;
    const listens = this.#events.rearm(armed);
    for (const each of met) this.#events.standAt(each);
    const execs = this.#breakpoints.flatMap(({ spec }) => (spec.kind === 'exec' ? [spec] : []));
    const placed = placedExecution(this.#arena, this.#cpu.vcpuId, execs);
    return { watch: listens ? this.#events : undefined, placed };
  }

  forget(): void {
    this.#events.forget();
  }

  get stopPending(): boolean {
    return !this.#outbox.isEmpty;
  }

  meet(event: MachineEvent): boolean {
    const isWanted = this.#breakpoints.some(({ spec }) => spec.kind === event.kind && eventMatches(spec, event));
    if (isWanted) this.#send(event, 0);
    return isWanted;
  }

  meetFor(id: number, event: MachineEvent): boolean {
    this.#send(event, id);
    return true;
  }

  #send({ kind, values }: MachineEvent, target: number): void {
    this.#outbox.put({ kind: BREAKPOINT_KIND_NAMES.indexOf(kind), target, values });
  }
}
