/**
 * One vCPU on a thread of its own: attached to the machine's arena, told by the thread board what to do. The boot vCPU's
 * thread also keeps the devices' time. It never returns to its event loop until it is told to quit.
 */
import { attachArena, type Arena } from '../arena/arena.ts';
import { ACTIVE, VCPU_ACTIVITY, VCPU_BYTES, VCPU_F_INSNS, VCPU_RFLAGS } from '../arena/vcpu-layout.ts';
import { DeviceSet, LockedBus, withDevices } from '../devices/index.ts';
import {
  type KvmHooks,
  type KvmWatch,
  RUN_BUDGET,
  RUN_DEBUG_EVENT,
  RUN_HLT,
  RUN_INTERNAL_ERROR,
  RUN_VMM_STOP,
  type Vcpu,
  Vm,
} from '../kvm/index.ts';
import type { EventOutbox } from './event-outbox.ts';
import {
  COMMAND,
  COMMAND_ATTACH,
  COMMAND_CRASH,
  COMMAND_PARK,
  COMMAND_QUIT,
  COMMAND_RUN,
  SKIP,
  STATE,
  STATE_PARKED,
  STATE_RUNNING,
  STOP_ASKED,
  STOP_CODE,
  STOP_DEVICE,
  STOP_IDLE,
  STOP_NONE,
  ThreadBoard,
  UNTOUCHED,
} from './thread-board.ts';
import type { MakeThreadWatch, ThreadWatch, ThreadWatchState } from './thread-watch.ts';
import { buryVcpu } from './lost-vcpu.ts';
import { RFLAGS_IF } from '../x86/index.ts';

const SLICE_INSNS = 50_000;
/** How long a vCPU with nothing to do sleeps before it looks again. */
const NAP_MS = 0.2;
const NOT_YET = -1;
const NOTHING: ThreadWatchState = { watch: undefined, placed: undefined };

export class VcpuThread {
  readonly #arena: Arena;
  readonly #board: ThreadBoard;
  readonly #id: number;
  readonly #devices: DeviceSet;
  readonly #bus: LockedBus;
  readonly #hooks: KvmHooks & { watch: KvmWatch | undefined };
  readonly #outbox: EventOutbox;
  readonly #makeWatch: MakeThreadWatch | undefined;
  #vm: Vm;
  #watch: ThreadWatch | undefined;
  #watched = NOTHING;
  #breakpointEpoch = NOT_YET;
  #watchEpoch = NOT_YET;
  #forgotten = 0;

  /** @param makeWatch the debugger's end on this thread */
  constructor(arena: SharedArrayBuffer, board: SharedArrayBuffer, id: number, makeWatch?: MakeThreadWatch) {
    this.#arena = attachArena(arena);
    this.#board = new ThreadBoard(board);
    this.#id = id;
    this.#makeWatch = makeWatch;
    this.#outbox = this.#board.outbox(id);
    this.#devices = new DeviceSet(this.#arena, (byte) => this.#board.serial.put(byte));
    this.#bus = new LockedBus(
      this.#arena,
      this.#devices.bus,
      id,
      () => this.#board.stopping || this.#board.serial.isFull(),
    );
    this.#hooks = {
      watch: undefined,
      mmioStopArmed: false,
      onMmioFault: (fault) => {
        this.#board.putFault(id, fault);
        return true;
      },
      onLog: (level, text) => {
        this.#board.log.put(level, text);
        this.#board.announce();
      },
    };
    this.#vm = this.#attach();
  }

  /** Serves commands until told to quit. Whatever is thrown is told to the engine, and ends the thread's work. */
  serve(): void {
    const board = this.#board;
    try {
      for (;;) {
        const command = board.get(this.#id, COMMAND);
        if (command === COMMAND_QUIT) return;
        if (command === COMMAND_CRASH) throw new Error('the thread was told to crash by a test');
        if (command === COMMAND_ATTACH) this.#vm = this.#attach();
        else if (command === COMMAND_RUN) this.#park(this.#run());
        if (command !== COMMAND_PARK) board.set(this.#id, COMMAND, COMMAND_PARK);
        board.set(this.#id, STATE, STATE_PARKED);
        board.announce();
        Atomics.wait(board.i32, board.word(this.#id, COMMAND), COMMAND_PARK);
      }
    } catch (error) {
      this.#die(error);
    }
  }

  #attach(): Vm {
    const vm = Vm.attach(this.#arena, this.#bus, this.#hooks, this.#id);
    this.#watch = this.#makeWatch?.(this.#arena, this.#devices.bus, vm.vcpus[0].cpu, this.#outbox);
    // Another processor knows nothing of what the last one was told to stop at.
    this.#breakpointEpoch = NOT_YET;
    this.#watchEpoch = NOT_YET;
    return vm;
  }

  get #vcpu(): Vcpu {
    return this.#vm.vcpus[0];
  }

  #park(code: number): void {
    if (code === RUN_INTERNAL_ERROR) this.#board.setText(this.#id, this.#vcpu.internalError);
    this.#board.set(this.#id, STOP_CODE, code);
  }

  #die(error: unknown): void {
    buryVcpu(this.#arena, this.#board, this.#id, error instanceof Error ? error.message : String(error));
  }

  /** @returns why it stands still: a RUN_* code or a STOP_* */
  #run(): number {
    const board = this.#board;
    const vcpu = this.#vcpu;
    const { f } = vcpu.cpu;
    board.set(this.#id, STOP_CODE, STOP_NONE);
    board.set(this.#id, STATE, STATE_RUNNING);
    this.#prepare();
    let skip = board.get(this.#id, SKIP) !== 0;
    for (;;) {
      if (board.stopping) return STOP_ASKED;
      if (board.serial.isFull()) {
        board.announce();
        board.awaitStop(NAP_MS);
        continue;
      }
      const untilEvent = this.#keepTime();
      if (this.#devices.requests.wantsStop()) return STOP_DEVICE;
      const left = board.f64[board.limit(this.#id)] - f[VCPU_F_INSNS];
      if (left <= 0) return STOP_ASKED;
      const code = vcpu.run(Math.min(left, SLICE_INSNS, untilEvent), skip);
      skip = false;
      if (!this.#outbox.isEmpty && (code === RUN_BUDGET || code === RUN_HLT || code === RUN_VMM_STOP)) {
        return RUN_DEBUG_EVENT;
      }
      if (code === RUN_HLT) {
        if (this.#idle()) return STOP_IDLE;
      } else if (code !== RUN_BUDGET && code !== RUN_VMM_STOP) return code;
    }
  }

  /** Memory, registers and breakpoints may have been edited while it was parked. */
  #prepare(): void {
    const { cpu } = this.#vcpu;
    const board = this.#board;
    if (board.get(this.#id, UNTOUCHED) === 0) {
      cpu.cache.dropAll();
      cpu.flushTlb();
    }
    if (this.#forgotten !== board.forgotten) {
      this.#forgotten = board.forgotten;
      this.#watch?.forget();
    }
    const hasNewList = this.#watchEpoch !== board.watchEpoch;
    if (hasNewList) {
      this.#watchEpoch = board.watchEpoch;
      this.#watched = this.#watch?.setList(board.watchList()) ?? NOTHING;
      this.#hooks.watch = this.#watched.watch;
    }
    if (hasNewList || this.#breakpointEpoch !== board.breakpointEpoch) {
      this.#breakpointEpoch = board.breakpointEpoch;
      const { placed } = this.#watched;
      cpu.setExecBreakpoints(board.breakpoints(), placed?.offsets, placed?.isPlaced);
    }
    this.#hooks.mmioStopArmed = board.mmioArmed;
  }

  /** The boot vCPU's thread keeps time for the devices. @returns instructions until it has to look again */
  #keepTime(): number {
    const devices = this.#devices;
    this.#hooks.mmioStopArmed = this.#board.mmioArmed;
    if (this.#id !== 0) return SLICE_INSNS;
    const advance = (): number => {
      devices.requests.takeTimersChanged();
      devices.advance();
      return Math.max(1, devices.clock.insnsUntil(devices.nextDeadline()));
    };
    return withDevices(this.#arena, advance, this.#id);
  }

  /** Sleeps a little; when all wait, the boot vCPU's thread lets the time pass. @returns whether nothing can wake the machine */
  #idle(): boolean {
    if (this.#id !== 0 || this.#others(true)) {
      this.#board.awaitStop(NAP_MS);
      return false;
    }
    const devices = this.#devices;
    const letTimePass = (): boolean => {
      devices.advance();
      if (this.#vcpu.runnable()) return true;
      if ((this.#vcpu.cpu.r[VCPU_RFLAGS] & RFLAGS_IF) === 0) return false;
      const wakeUp = devices.nextWakeUp();
      if (wakeUp === Infinity) return false;
      devices.clock.skipTo(wakeUp);
      return true;
    };
    const wakes = withDevices(this.#arena, letTimePass, this.#id);
    if (wakes || !this.#others(false)) return !wakes;
    // Stepped alone. Another could go on, so this is not the machine's end.
    this.#board.awaitStop(NAP_MS);
    return false;
  }

  /** Whether another has something to do. Interrupts reach the boot vCPU only, so one that waits goes on waiting. */
  #others(running: boolean): boolean {
    const { i32, layout } = this.#arena;
    for (let id = 1; id < layout.config.vcpus; id++) {
      if (running && this.#board.get(id, STATE) !== STATE_RUNNING) continue;
      if (Atomics.load(i32, ((layout.vcpus + id * VCPU_BYTES) >> 2) + VCPU_ACTIVITY) === ACTIVE) return true;
    }
    return false;
  }
}
