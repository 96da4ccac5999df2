/**
 * A machine whose vCPUs run on threads of their own, as the engine's thread has it: starts them, waits for what stops one of
 * them, and then brings all to their parking places. The engine's thread never runs the guest; while the vCPUs do, it is free
 * for memslot calls and dirty logs.
 */
import type { Arena } from '../arena/arena.ts';
import { VCPU_MODE, VCPU_MODE_EXITING, VCPU_SKIP_MMIO_STOP } from '../arena/vcpu-layout.ts';
import { UmbraBug } from '../base/assert.ts';
import {
  type KvmHooks,
  RUN_DEBUG_EXEC,
  RUN_DEBUG_MMIO,
  RUN_INTERNAL_ERROR,
  RUN_SHUTDOWN,
  type Vm,
} from '../kvm/index.ts';
import type { MachineStop } from './machine-stop.ts';
import {
  COMMAND,
  COMMAND_ATTACH,
  COMMAND_CRASH,
  COMMAND_PARK,
  COMMAND_QUIT,
  COMMAND_RUN,
  FAULT,
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
} from './thread-board.ts';

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

const WAIT_MS = 2;
const START_MS = 60_000;
const PARK_MS = 60_000;
const IN_GUEST_MODE = 1;

export class ParallelRun {
  readonly #arena: Arena;
  readonly #hooks: KvmHooks;
  readonly #board = new ThreadBoard();
  readonly #launch: LaunchVcpu;
  readonly #handles: (VcpuHandle | undefined)[] = [];
  readonly #stopOfMachine: (idle: boolean) => MachineStop | undefined;
  readonly #onSerial: (bytes: Uint8Array<ArrayBuffer>) => void;
  #vm: Vm;

  /** @param stopOfMachine what a device asked for, or when `idle` why nothing can wake the machine */
  constructor(
    arena: Arena,
    vm: Vm,
    hooks: KvmHooks,
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
    this.#ensureThreads();
    const asked = this.#stopOfMachine(false);
    if (asked !== undefined) return this.#stopped(asked);
    board.mmioArmed = this.#hooks.mmioStopArmed;
    const seen = board.events();
    const ran = this.#vm.vcpus.some(({ id }) => board.get(id, STATE) === STATE_RUNNING);
    if (!ran) this.#start(skips, bound);
    const stop = this.#look(bound);
    if (stop !== undefined) return this.#stopped(stop);
    board.awaitEvent(seen, WAIT_MS);
    this.#drainSerial();
    const after = this.#look(bound);
    return after === undefined ? { kind: 'budget' } : this.#stopped(after);
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
        this.#drainSerial();
        if (Date.now() > limit) throw new UmbraBug(`vCPU ${id} does not stop`);
      }
    }
    board.stopping = false;
    this.#drainSerial();
  }

  /** The machine was cleared: all threads attach to what is there now. */
  reset(vm: Vm): void {
    this.#vm = vm;
    if (this.#handles.length === 0) return;
    for (const { id } of vm.vcpus) {
      if (this.#board.get(id, STATE) === STATE_DEAD) this.#relaunch(id);
      else {
        this.#board.set(id, STATE, STATE_STARTING);
        this.#board.command(id, COMMAND_ATTACH);
      }
    }
    this.#awaitParked();
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

  #ensureThreads(): void {
    if (this.#handles.length > 0) return;
    for (const { id } of this.#vm.vcpus) this.#handles[id] = this.#launch(this.#arena.buffer, this.#board.buffer, id);
    this.#awaitParked();
  }

  #relaunch(id: number): void {
    this.#handles[id]?.terminate();
    // The command that it died of is not for its successor.
    this.#board.set(id, COMMAND, COMMAND_PARK);
    this.#board.set(id, STATE, STATE_STARTING);
    this.#handles[id] = this.#launch(this.#arena.buffer, this.#board.buffer, id);
  }

  #awaitParked(): void {
    const limit = Date.now() + START_MS;
    for (const { id } of this.#vm.vcpus) {
      for (;;) {
        const seen = this.#board.events();
        if (this.#board.get(id, STATE) !== STATE_STARTING) break;
        this.#board.awaitEvent(seen, 50);
        if (Date.now() > limit) throw new UmbraBug(`the thread of vCPU ${id} did not start`);
      }
    }
  }

  #start(skips: number, bound: Bound | undefined): void {
    const board = this.#board;
    board.setBreakpoints(this.#vm.vcpus[0].cpu.breakpoints);
    for (const { id } of this.#vm.vcpus) {
      if (bound !== undefined && bound.vcpu !== id) continue;
      if (board.get(id, STATE) !== STATE_PARKED) continue;
      board.f64[board.limit(id)] = bound?.insns ?? Infinity;
      this.#go(id, (skips >> id) & 1);
    }
  }

  #go(id: number, skip: number): void {
    const board = this.#board;
    board.set(id, SKIP, skip);
    board.set(id, STOP_CODE, STOP_NONE);
    board.set(id, STATE, STATE_RUNNING);
    board.command(id, COMMAND_RUN);
  }

  /** Why one of the vCPUs stands, if that is anybody's business. */
  #look(bound: Bound | undefined): MachineStop | undefined {
    for (const { id } of this.#vm.vcpus) {
      const state = this.#board.get(id, STATE);
      if (state === STATE_DEAD) {
        const message = `The thread of vCPU ${id} crashed: ${this.#board.text(id)}`;
        return { kind: 'error', vcpu: id, message };
      }
      if (state !== STATE_PARKED || (bound !== undefined && bound.vcpu !== id)) continue;
      const stop = this.#stopOf(id);
      if (stop !== undefined) return stop;
    }
    return undefined;
  }

  #stopOf(id: number): MachineStop | undefined {
    const code = this.#board.get(id, STOP_CODE);
    this.#board.set(id, STOP_CODE, STOP_NONE);
    switch (code) {
      case STOP_DEVICE:
      case STOP_IDLE: {
        const stop = this.#stopOfMachine(code === STOP_IDLE);
        // Something came meanwhile: there is work again.
        if (stop === undefined) this.#go(id, 0);
        return stop;
      }
      case RUN_SHUTDOWN:
        return {
          kind: 'shutdown',
          vcpu: id,
          message: 'Triple fault: an exception could not be delivered, nor the double fault.',
        };
      case RUN_INTERNAL_ERROR:
        return { kind: 'error', vcpu: id, message: this.#board.text(id) };
      case RUN_DEBUG_EXEC:
        return { kind: 'exec-breakpoint', vcpu: id };
      case RUN_DEBUG_MMIO:
        if (this.#hooks.onMmioFault(this.#fault(id))) return { kind: 'mmio-breakpoint', vcpu: id };
        this.#vm.vcpus[id].cpu.r[VCPU_SKIP_MMIO_STOP] = 1;
        this.#go(id, 1);
        return undefined;
      default:
        return undefined;
    }
  }

  #fault(id: number) {
    const { i32 } = this.#board;
    const at = this.#board.word(id, FAULT);
    return {
      vcpuId: id,
      gvaLo: i32[at],
      gvaHi: i32[at + 1],
      gpaLo: i32[at + 2],
      gpaHi: i32[at + 3],
      access: i32[at + 4],
      outcome: i32[at + 5],
      spteGen: i32[at + 6],
      kvmGen: i32[at + 7],
    };
  }

  #stopped(stop: MachineStop): MachineStop {
    this.park();
    return stop;
  }

  /** kvm_vcpu_kick. */
  #kick(id: number): void {
    const { r } = this.#vm.vcpus[id].cpu;
    Atomics.compareExchange(r, VCPU_MODE, IN_GUEST_MODE, VCPU_MODE_EXITING);
  }

  #drainSerial(): void {
    const bytes = this.#board.takeSerial();
    if (bytes.length > 0) this.#onSerial(bytes);
  }
}
