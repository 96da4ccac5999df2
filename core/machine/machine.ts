/**
 * A virtual machine as user space sees it: memory map, devices, an image, and the loop that gives the vCPU its turns
 * between two events of the virtual clock.
 */
import type { Arena } from '../arena/arena.ts';
import { VCPU_F_INSNS, VCPU_RFLAGS } from '../arena/vcpu-layout.ts';
import { assert } from '../base/assert.ts';
import { refuseUnless } from '../base/restore-refused.ts';
import { ok, type Result } from '../base/result.ts';
import { DeviceSet, withDevices } from '../devices/index.ts';
import {
  checkRestoredVm,
  noHooks,
  RUN_BUDGET,
  RUN_HLT,
  RUN_VMM_STOP,
  type Vcpu,
  Vm,
  vmIdentity,
} from '../kvm/index.ts';
import { RFLAGS_IF } from '../x86/index.ts';
import { clearMachineState } from './arena-clearing.ts';
import { enterImage } from './boot-state.ts';
import type { UntoldEvent } from './event-outbox.ts';
import type { LoadedImage } from './image.ts';
import type { ImageError } from './image-error.ts';
import { planImage } from './image-plan.ts';
import type { ImagePlan } from './planned-image.ts';
import { type LoneWish, runAlone } from './lone-vcpu.ts';
import type { MachineConfig, MachineError } from './machine-config.ts';
import { type MachineStop, stopOfVcpu } from './machine-stop.ts';
import { defaultMemoryMap } from './memory-map.ts';
import { planBootInformation } from './multiboot-information.ts';
import { ParallelRun } from './parallel-run.ts';
import { SerialOutput } from './serial-output.ts';
import type { MachineHooks } from './thread-watch.ts';
import { Turns } from './turns.ts';

/** What an image is loaded from, and was. */
export interface ImageSource {
  readonly bytes: Uint8Array;
  readonly name: string;
  readonly append: string;
}

/** A number of instructions that one vCPU has retired since reset. */
export interface VcpuBound {
  readonly vcpu: number;
  readonly insns: number;
}

/** 2013-06-07T00:00:00Z: no guest depends on it, and every run has the same. */
const DEFAULT_START_SECONDS = 1_370_563_200;
/** Where an image wants its other processors started; it gets none started when it has no such symbol. */
const SECONDARY_ENTRY = 'secondary_main';
/** Pieces in one run in which nothing retires that the budget could count, before the caller gets a look in. */
const MAX_FRUITLESS = 4096;

const BUDGET: MachineStop = { kind: 'budget' };

export class Machine {
  readonly arena: Arena;
  readonly config: MachineConfig;
  readonly devices: DeviceSet;
  readonly #serial: SerialOutput;
  readonly #hooks: MachineHooks;
  #vm: Vm;
  #turns: Turns;
  readonly #parallel: ParallelRun | undefined;
  #untold: UntoldEvent[] = [];
  #image: LoadedImage | undefined = undefined;
  /** How to load the image once more. */
  #source: ImageSource | undefined = undefined;
  /** False until something ran: a machine fresh from power-on needs no clearing. */
  #hasRun = false;

  /** Use createMachine (machine-creation.ts), which checks the configuration. */
  constructor(arena: Arena, config: MachineConfig) {
    this.arena = arena;
    this.config = config;
    this.#serial = new SerialOutput(config.onSerial);
    this.#hooks = config.hooks ?? noHooks();
    this.devices = new DeviceSet(arena, (byte) => this.#serial.put(byte));
    this.#vm = this.#makeVm();
    this.#turns = new Turns(arena, this.#vm.vcpus);
    if (config.threads === undefined) return;
    const stopOf = (idle: boolean): MachineStop | undefined => (idle ? this.#idle() : this.#stopAskedByDevice());
    const hear = (bytes: Uint8Array<ArrayBuffer>): void => config.onSerial?.(bytes);
    this.#parallel = new ParallelRun(arena, this.#vm, this.#hooks, config.threads, stopOf, hear);
  }

  /** The kernel's side. Another object after a reset. */
  get vm(): Vm {
    return this.#vm;
  }

  get image(): LoadedImage | undefined {
    return this.#image;
  }

  /** Instructions retired by all vCPUs since power-on. */
  get insns(): number {
    return this.devices.clock.insns();
  }

  /** Devices in their power-on state, the default slots in place. @returns why not, when a slot or the page quota is refused */
  powerOn(): MachineError | undefined {
    const { ramBytes, mmuPages, startSeconds } = this.config;
    for (const vcpu of this.#vm.vcpus) if (vcpu.id !== 0) vcpu.holdUntilStarted();
    this.#turns.begin();
    this.devices.reset(ramBytes, startSeconds ?? DEFAULT_START_SECONDS);
    for (const slot of defaultMemoryMap(ramBytes)) {
      const set = this.#vm.setUserMemoryRegion(slot);
      if (!set.ok) return { message: `Slot ${slot.slot} for guest RAM was refused: ${set.error.message}` };
    }
    if (mmuPages === 0) return undefined;
    const quota = this.#vm.setNrMmuPages(mmuPages);
    return quota.ok ? undefined : { message: quota.error.message };
  }

  /**
   * Puts an image into RAM and the vCPU in front of its first instruction. A refused image changes nothing; an accepted one
   * finds the machine as after power-on.
   */
  loadImage(bytes: Uint8Array, name: string, append: string): Result<LoadedImage, ImageError> {
    const plan = planImage(bytes, this.config.ramBytes);
    if (!plan.ok) return plan;
    const information = planBootInformation(plan.value, this.config.ramBytes, name, append);
    if (!information.ok) return information;
    this.#powerCycle();
    for (const segment of [...plan.value.segments, information.value.segment]) this.#place(segment);
    enterImage(this.#vm.vcpus[0], plan.value.entry, information.value.segment.gpa);
    this.#startSecondaries(plan.value, information.value.segment.gpa);
    this.#source = { bytes: bytes.slice(), name, append };
    this.#image = loadedImage(plan.value, name);
    this.#parallel?.launch();
    return ok(this.#image);
  }

  /** Power off and on, and the same image again: slots, devices, sptes and counters are as at first. */
  reset(): Result<LoadedImage, ImageError> {
    assert(this.#source !== undefined && this.#image !== undefined, 'there is no image to start again');
    this.#hasRun = true;
    return this.loadImage(this.#source.bytes, this.#source.name, this.#source.append);
  }

  /**
   * Clears the arena, for what comes out of a file. The machine is of no use before `endRestore` has taken it.
   * @returns what `endRestore` wants to know of the machine as it was made
   */
  beginRestore(): readonly number[] {
    const identity = vmIdentity(this.arena);
    clearMachineState(this.arena);
    this.#hasRun = true;
    return identity;
  }

  /**
   * The arena was filled: the machine goes on from there when it can be one.
   * @param source what the state's machine had been loaded from
   * @throws RestoreRefused
   */
  endRestore(identity: readonly number[], source: ImageSource): void {
    const plan = planImage(source.bytes, this.config.ramBytes);
    refuseUnless(plan.ok, 'the image in it is none that this machine could have been loaded with.');
    checkRestoredVm(this.#vm, identity);
    this.devices.checkRestored(this.arena);
    this.#turns.checkRestored(this.arena);
    this.#source = source;
    this.#image = loadedImage(plan.value, source.name);
    this.#parallel?.reset(this.#vm);
  }

  /** What the image was loaded from. */
  get source(): ImageSource | undefined {
    return this.#source;
  }

  /** Types on the serial line. @returns how many bytes were taken; the line buffers 64 KiB */
  serialInput(bytes: Uint8Array): number {
    this.#hasRun = true;
    if (this.#parallel !== undefined) return withDevices(this.arena, () => this.devices.uart.receive(bytes));
    return this.devices.uart.receive(bytes);
  }

  /**
   * Runs until `budget` instructions have retired or something happens. Where it stops for a reason of the machine does not
   * depend on how a run is cut into budgets.
   * @param skips a bit for each vCPU that does not stop at an execution breakpoint on its very first instruction
   * @param bound stop also when this vCPU has retired so many instructions since reset
   */
  run(budget: number, skips = 0, bound?: VcpuBound): MachineStop {
    this.#hasRun = true;
    const left = this.#tellUntold();
    if (left !== undefined) return left;
    if (this.#parallel !== undefined) return this.#parallel.run(skips, bound);
    try {
      return this.#runUntil(this.insns + budget, skips, bound);
    } finally {
      this.#serial.flush();
    }
  }

  /**
   * One vCPU executes while all others stand where they are, whoever's turn it is: for a memslot update that is held.
   * @returns the stop it came to; a budget when it did what was asked, or cannot
   */
  runAlone(vcpuId: number, wish: LoneWish): MachineStop {
    assert(this.#parallel === undefined, 'a vCPU on a thread of its own cannot be run alone');
    this.#hasRun = true;
    this.#turns.give(vcpuId);
    try {
      return runAlone(this.#vm.vcpus[vcpuId], this.devices, wish, () => this.#stopAskedByDevice());
    } finally {
      this.#serial.flush();
    }
  }

  /** Events that happened and that nobody has been told: for a machine that is saved. */
  get untold(): readonly UntoldEvent[] {
    return [...this.#untold, ...(this.#parallel?.untold() ?? [])];
  }

  /** Of a machine that was saved: told when it goes on, one stop after the other. */
  restoreUntold(untold: readonly UntoldEvent[]): void {
    this.#untold = [...untold];
  }

  #tellUntold(): MachineStop | undefined {
    for (let next = this.#untold.shift(); next !== undefined; next = this.#untold.shift()) {
      if (this.#hooks.onThreadEvents?.(next.vcpu, [next.event], 0) === 'stop')
        return { kind: 'event', vcpu: next.vcpu };
    }
    return undefined;
  }

  /** The vCPUs run on threads of their own: `run` comes back after a moment, with them still running. */
  get isParallel(): boolean {
    return this.#parallel !== undefined;
  }

  /** Parallel mode: brings the vCPUs to a stand. Nothing to do where they take turns. */
  park(): void {
    this.#parallel?.park();
  }

  /** Only tests of the program's behaviour in a crash ask for it. */
  crashVcpuForTest(id: number): void {
    this.#parallel?.crashForTest(id);
  }

  /** Ends the vCPUs' threads, if there are any. The machine is of no use afterwards. */
  close(): void {
    this.#parallel?.close();
  }

  #runUntil(end: number, skipFirst: number, bound: VcpuBound | undefined): MachineStop {
    const { devices } = this;
    const turns = this.#turns;
    let skips = skipFirst;
    for (let fruitless = 0; fruitless < MAX_FRUITLESS;) {
      devices.requests.takeTimersChanged();
      devices.advance();
      const asked = this.#stopAskedByDevice();
      if (asked !== undefined) return asked;
      const { insns } = this;
      const vcpu = turns.current;
      const left = Math.min(end - insns, leftOf(bound, vcpu));
      if (left <= 0) return BUDGET;
      const untilEvent = devices.clock.insnsUntil(devices.nextDeadline());
      const code = vcpu.run(Math.min(left, Math.max(1, untilEvent), turns.left()), (skips & (1 << vcpu.id)) !== 0);
      skips &= ~(1 << vcpu.id);
      switch (code) {
        case RUN_BUDGET:
        case RUN_VMM_STOP:
          if (turns.left() <= 0) turns.pass();
          break;
        case RUN_HLT: {
          const halted = turns.pass() ? undefined : this.#idle();
          if (halted !== undefined) return halted;
          break;
        }
        default:
          return stopOfVcpu(vcpu, code);
      }
      if (this.insns === insns) fruitless += 1;
    }
    return BUDGET;
  }

  /** All vCPUs wait: lets the time pass up to what can wake the boot vCPU. @returns the stop when nothing can */
  #idle(): MachineStop | undefined {
    const { devices } = this;
    const [boot] = this.#vm.vcpus;
    if ((boot.cpu.r[VCPU_RFLAGS] & RFLAGS_IF) === 0) {
      const message = 'Halted for good: HLT with interrupts disabled.';
      return { kind: 'halted', waitsForInput: false, message };
    }
    const wakeUp = devices.nextWakeUp();
    if (wakeUp !== Infinity) {
      devices.clock.skipTo(wakeUp);
      return undefined;
    }
    const waitsForInput = devices.wakesOnInput();
    const message = waitsForInput
      ? 'Halted until something is typed on the serial line.'
      : 'Halted for good: no device has an interrupt to come.';
    return { kind: 'halted', waitsForInput, message };
  }

  #stopAskedByDevice(): MachineStop | undefined {
    const { requests } = this.devices;
    if (!requests.any()) return undefined;
    const vcpu = this.#turns.current.id;
    const status = requests.exitStatus();
    if (status !== undefined) return { kind: 'exit', status };
    const resetSource = requests.resetSource();
    if (resetSource !== undefined) {
      return { kind: 'shutdown', vcpu, message: `the guest reset the machine through ${resetSource}` };
    }
    return requests.isA20Open()
      ? undefined
      : {
          kind: 'error',
          vcpu,
          message: 'The guest closed the A20 gate, which is not implemented: addresses keep bit 20.',
        };
  }

  #powerCycle(): void {
    this.#parallel?.park();
    this.#untold = [];
    if (this.#hasRun || this.#image !== undefined) {
      clearMachineState(this.arena);
      this.#vm = this.#makeVm();
      this.#turns = new Turns(this.arena, this.#vm.vcpus);
      const refused = this.powerOn();
      assert(refused === undefined, `the memory map was accepted before: ${refused?.message ?? ''}`);
    }
    this.#parallel?.reset(this.#vm);
    this.#hasRun = false;
  }

  #makeVm(): Vm {
    const { mmu, era, maxPhyAddr, l1tfCacheBits, hostPages, eptAd, threads } = this.config;
    const { vcpus } = this.arena.layout.config;
    const threaded = threads !== undefined;
    const config = { mmu, era, maxPhyAddr, l1tfCacheBits, vcpus, threaded, hostPages, eptAd };
    return new Vm(this.arena, config, this.devices.bus, this.#hooks);
  }

  /** As KVM's selftests do it: nobody sends a startup IPI, user space sets the registers. */
  #startSecondaries({ symbols }: ImagePlan, information: number): void {
    const entry = symbols.find(SECONDARY_ENTRY);
    if (entry === undefined) return;
    for (const vcpu of this.#vm.vcpus) {
      if (vcpu.id !== 0) enterImage(vcpu, Number(entry.address), information);
    }
  }

  #place(segment: { readonly gpa: number; readonly bytes: Uint8Array }): void {
    this.arena.u8.set(segment.bytes, this.arena.layout.ram + segment.gpa);
  }
}

const leftOf = (bound: VcpuBound | undefined, { id, cpu }: Vcpu): number =>
  bound?.vcpu === id ? bound.insns - cpu.f[VCPU_F_INSNS] : Infinity;

const loadedImage = (plan: ImagePlan, name: string): LoadedImage => ({
  name,
  format: plan.format,
  entry: plan.entry,
  segments: plan.segments.map(({ gpa, reserved }) => ({ gpa, bytes: reserved })),
  symbols: plan.symbols,
});
