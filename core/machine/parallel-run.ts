/**
 * A machine whose vCPUs run on threads of their own, as the engine's thread has it: starts them, waits for what stops one of
 * them, and then brings all to their parking places. The engine's thread never runs the guest; while the vCPUs do, it is free
 * for memslot calls and dirty logs.
 */
import type { Arena } from '../arena/arena.ts';
import { EXITING_GUEST_MODE, IN_GUEST_MODE, VCPU_MODE, VCPU_SKIP_MMIO_STOP } from '../arena/vcpu-layout.ts';
import { UmbraBug } from '../base/assert.ts';
import {
  RUN_DEBUG_EVENT,
  RUN_DEBUG_EXEC,
  RUN_DEBUG_MMIO,
  RUN_INTERNAL_ERROR,
  RUN_SHUTDOWN,
  type Vm,
} from '../kvm/index.ts';
import type { UntoldEvent } from './event-outbox.ts';
import { tripleFault, type MachineStop } from './machine-stop.ts';
import {
  COMMAND,
  COMMAND_ATTACH,
  COMMAND_CRASH,
  COMMAND_PARK,
  COMMAND_QUIT,
  COMMAND_RUN,
  SKIP,
  STATE,
  STATE_DEAD,
  STATE_PARKED,
  STATE_RUNNING,
  STATE_STARTING,
  STOP_CODE,
  STOP_DEVICE,
  STOP_IDLE,
  STOP_NONE,
  ThreadBoard,
  UNTOUCHED,
} from './thread-board.ts';
import type { MachineHooks, ThreadVerdict } from './thread-watch.ts';

/** Starts a thread that makes a VcpuThread of these and lets it serve. */
export type LaunchVcpu = (arena: SharedArrayBuffer, board: SharedArrayBuffer, vcpu: number) => VcpuHandle;

export interface VcpuHandle {
  /** Ends the thread, whatever it does. */
  terminate(): void;
}

/** One vCPU is to run alone, until it has retired so many instructions. */
interface Bound {
  readonly vcpu: number;
  readonly insns: number;
}

const BUDGET: MachineStop = { kind: 'budget' };
const WAIT_MS = 2;
/** How long one look waits for threads that are starting: their failure is heard of in the event loop only. */
const START_WAIT_MS = 20;
const START_MS = 60_000;
const PARK_MS = 60_000;

export class ParallelRun {
  readonly #arena: Arena;
  readonly #hooks: MachineHooks;
  readonly #board = new ThreadBoard();
  readonly #launch: LaunchVcpu;
  readonly #handles: (VcpuHandle | undefined)[] = [];
  readonly #stopOfMachine: (idle: boolean) => MachineStop | undefined;
  readonly #onSerial: (bytes: Uint8Array<ArrayBuffer>) => void;
  #vm: Vm;
  #launchedAt = 0;
  /** The execution breakpoints that the threads were given. */
  #breakpoints: ReadonlySet<bigint> = new Set();
  #watchList: Uint8Array | undefined;

  /** @param stopOfMachine what a device asked for, or when `idle` why nothing can wake the machine */
  constructor(
    arena: Arena,
    vm: Vm,
    hooks: MachineHooks,
    launch: LaunchVcpu,
    stopOfMachine: (idle: boolean) => MachineStop | undefined,
    onSerial: (bytes: Uint8Array<ArrayBuffer>) => void,
  ) {
    this.#arena = arena;
    this.#vm = vm;
    this.#hooks = hooks;
    this.#launch = launch;
    this.#stopOfMachine = stopOfMachine;
    this.#onSerial = onSerial;
  }

  /** Lets the vCPUs run and comes back after a moment, or when something stopped one: all are parked then. */
  run(skips: number, bound: Bound | undefined): MachineStop {
    const board = this.#board;
    this.launch();
    const asked = this.#userSpaceEvent() ?? this.#stopOfMachine(false);
    if (asked !== undefined) return this.#stopped(asked);
    board.mmioArmed = this.#hooks.mmioStopArmed;
    const seen = board.events();
    if (this.#anyIn(STATE_STARTING)) return this.#awaitStart(seen);
    const newBreakpoints = this.#breakpointsChanged();
    if (newBreakpoints) this.park();
    if (!this.#anyIn(STATE_RUNNING)) {
      const left = this.#eventsLeft(bound);
      if (typeof left !== 'number') return left;
      this.#start(skips | left, bound, newBreakpoints);
    }
    const stop = this.#look(bound);
    if (stop !== undefined) return this.#stopped(stop);
    board.awaitEvent(seen, WAIT_MS);
    this.#drain();
    const after = this.#look(bound);
    return after === undefined ? BUDGET : this.#stopped(after);
  }

  /** Brings every vCPU to its parking place. */
  park(): void {
    const board = this.#board;
    if (this.#handles.length === 0) return;
    board.stopping = true;
    const limit = Date.now() + PARK_MS;
    for (const { id } of this.#vm.vcpus) {
      while (board.get(id, STATE) === STATE_RUNNING) {
        const seen = board.events();
        this.#kick(id);
        if (board.get(id, STATE) !== STATE_RUNNING) break;
        board.awaitEvent(seen, 1);
        this.#drain();
        if (Date.now() > limit) throw new UmbraBug(`vCPU ${id} does not stop`);
      }
    }
    board.stopping = false;
    this.#drain();
  }

  /** The machine was cleared: all threads attach to what is there now. Those that died are missing until {@link launch}. */
  reset(vm: Vm): void {
    this.#vm = vm;
    for (const { id } of vm.vcpus) {
      this.#board.outbox(id).clear();
      if (this.#handles[id] === undefined) continue;
      if (this.#board.get(id, STATE) === STATE_DEAD) {
        this.#handles[id].terminate();
        this.#handles[id] = undefined;
        // The command that it died of is not for its successor.
        this.#board.set(id, COMMAND, COMMAND_PARK);
        this.#board.set(id, STATE, STATE_STARTING);
        this.#board.forgetDeaths();
      } else if (this.#board.get(id, STATE) === STATE_PARKED) {
        this.#board.set(id, STATE, STATE_STARTING);
        this.#board.command(id, COMMAND_ATTACH);
      }
    }
    const limit = Date.now() + START_MS;
    for (const { id } of vm.vcpus) if (this.#handles[id] !== undefined) this.#awaitAttached(id, limit);
  }

  /** Starts the threads that are missing. They are not waited for: the user may look at the machine meanwhile. */
  launch(): void {
    for (const { id } of this.#vm.vcpus) {
      if (this.#handles[id] !== undefined) continue;
      this.#handles[id] = this.#launch(this.#arena.buffer, this.#board.buffer, id);
      this.#launchedAt = Date.now();
    }
  }

  /** The thread of a vCPU dies as of a bug of ours. */
  crashForTest(id: number): void {
    this.park();
    this.#board.set(id, STATE, STATE_RUNNING);
    this.#board.command(id, COMMAND_CRASH);
  }

  /** Ends the threads. */
  close(): void {
    for (const { id } of this.#vm.vcpus) this.#board.command(id, COMMAND_QUIT);
    this.#board.stopping = true;
    for (const handle of this.#handles) handle?.terminate();
    this.#handles.length = 0;
  }

  #anyIn(state: number): boolean {
    return this.#vm.vcpus.some(({ id }) => this.#board.get(id, STATE) === state);
  }

  #awaitStart(seen: number): MachineStop {
    this.#board.awaitEvent(seen, START_WAIT_MS);
    if (this.#anyIn(STATE_STARTING) && Date.now() > this.#launchedAt + START_MS) {
      throw new UmbraBug('the threads of the vCPUs did not start');
    }
    return BUDGET;
  }

  #awaitAttached(id: number, limit: number): void {
    for (;;) {
      const seen = this.#board.events();
      if (this.#board.get(id, STATE) !== STATE_STARTING) return;
      this.#board.awaitEvent(seen, START_WAIT_MS);
      if (Date.now() > limit) throw new UmbraBug(`the thread of vCPU ${id} does not answer`);
    }
  }

  /** They may be set and taken away while the vCPUs run. */
  #breakpointsChanged(): boolean {
    if (this.#hooks.threadList !== this.#watchList) return true;
    const { breakpoints } = this.#vm.vcpus[0].cpu;
    if (breakpoints.size !== this.#breakpoints.size) return true;
    for (const address of breakpoints) if (!this.#breakpoints.has(address)) return true;
    return false;
  }

  #start(skips: number, bound: Bound | undefined, newBreakpoints: boolean): void {
    const board = this.#board;
    if (newBreakpoints) {
      this.#breakpoints = new Set(this.#vm.vcpus[0].cpu.breakpoints);
      board.setBreakpoints(this.#breakpoints);
      this.#watchList = this.#hooks.threadList;
      board.setWatchList(this.#watchList ?? new Uint8Array());
    }
    board.forgotten = this.#hooks.forgotten ?? 0;
    const ids = this.#vm.vcpus
      .map(({ id }) => id)
      .filter((id) => (bound === undefined || bound.vcpu === id) && board.get(id, STATE) === STATE_PARKED);
    // All are known to run before the first does: it may look whether it is alone.
    for (const id of ids) {
      board.f64[board.limit(id)] = bound?.insns ?? Infinity;
      this.#prepare(id, (skips >> id) & 1, 0);
    }
    for (const id of ids) board.command(id, COMMAND_RUN);
  }

  #prepare(id: number, skip: number, untouched: number): void {
    const board = this.#board;
    board.set(id, SKIP, skip);
    board.set(id, UNTOUCHED, untouched);
    board.set(id, STOP_CODE, STOP_NONE);
    board.set(id, STATE, STATE_RUNNING);
  }

  /** From where it parked, with nothing changed meanwhile. */
  #goOn(id: number, skip: number): void {
    this.#prepare(id, skip, 1);
    this.#board.command(id, COMMAND_RUN);
  }

  /** Why one of the vCPUs stands, if that is anybody's business. */
  #look(bound: Bound | undefined): MachineStop | undefined {
    const dead = this.#board.firstDead();
    if (dead >= 0) {
      return { kind: 'error', vcpu: dead, message: `The thread of vCPU ${dead} crashed: ${this.#board.text(dead)}` };
    }
    for (const { id } of this.#vm.vcpus) {
      const state = this.#board.get(id, STATE);
      if (state !== STATE_PARKED || (bound !== undefined && bound.vcpu !== id)) continue;
      const stop = this.#stopOf(id);
      if (stop !== undefined) return stop;
    }
    return undefined;
  }

  #stopOf(id: number): MachineStop | undefined {
    const code = this.#board.get(id, STOP_CODE);
    this.#board.set(id, STOP_CODE, STOP_NONE);
    const verdict = this.#verdictOnEvents(id);
    if (verdict === 'stop') return { kind: 'event', vcpu: id };
    switch (code) {
      case RUN_DEBUG_EVENT:
        this.#goOn(id, verdict === 'pass' ? 1 : 0);
        return undefined;
      case STOP_DEVICE:
      case STOP_IDLE: {
        const stop = this.#stopOfMachine(code === STOP_IDLE);
        // Something came meanwhile: there is work again.
        if (stop === undefined) this.#goOn(id, 0);
        return stop;
      }
      case RUN_SHUTDOWN:
        return tripleFault(id);
      case RUN_INTERNAL_ERROR:
        return { kind: 'error', vcpu: id, message: this.#board.text(id) };
      case RUN_DEBUG_EXEC:
        return { kind: 'exec-breakpoint', vcpu: id };
      case RUN_DEBUG_MMIO:
        if (this.#hooks.onMmioFault(this.#board.fault(id))) return { kind: 'mmio-breakpoint', vcpu: id };
        this.#vm.vcpus[id].cpu.r[VCPU_SKIP_MMIO_STOP] = 1;
        this.#goOn(id, 1);
        return undefined;
      default:
        return undefined;
    }
  }

  /** What vCPUs have met that the debugger has not been told. */
  untold(): readonly UntoldEvent[] {
    return this.#vm.vcpus.flatMap(({ id }) =>
      this.#board
        .outbox(id)
        .list()
        .map((event) => ({ vcpu: id, event })),
    );
  }

  #verdictOnEvents(id: number): ThreadVerdict {
    const outbox = this.#board.outbox(id);
    if (outbox.isEmpty) return 'go';
    const { events, missed } = outbox.take();
    return this.#hooks.onThreadEvents?.(id, events, missed) ?? 'go';
  }

  /**
   * What vCPUs met on their way to their parking places, while the machine stopped for another's sake: it is told first.
   * @returns a bit for each whose first instruction's breakpoint was met before, when nothing stops
   */
  #eventsLeft(bound: Bound | undefined): MachineStop | number {
    let passes = 0;
    for (const { id } of this.#vm.vcpus) {
      if (bound !== undefined && bound.vcpu !== id) continue;
      const verdict = this.#verdictOnEvents(id);
      if (verdict === 'stop') return { kind: 'event', vcpu: id };
      if (verdict === 'pass') passes |= 1 << id;
    }
    return passes;
  }

  /** Memslot calls and what they do come from this thread. */
  #userSpaceEvent(): MachineStop | undefined {
    return this.#hooks.watch?.stopPending === true ? { kind: 'event', vcpu: 0 } : undefined;
  }

  #stopped(stop: MachineStop): MachineStop {
    this.park();
    return stop;
  }

  /** kvm_vcpu_kick. */
  #kick(id: number): void {
    const { r } = this.#vm.vcpus[id].cpu;
    Atomics.compareExchange(r, VCPU_MODE, IN_GUEST_MODE, EXITING_GUEST_MODE);
  }

  /** What the threads have to say to the world. */
  #drain(): void {
    const bytes = this.#board.serial.take();
    if (bytes.length > 0) this.#onSerial(bytes);
    for (const { level, text } of this.#board.log.take()) this.#hooks.onLog?.(level, text);
  }
}
