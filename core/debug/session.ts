/**
 * What a debugging session holds: the machine and its image, the breakpoints, what was heard of the guest. The request
 * families under requests/ work on it; DebugSession drives it.
 */
import type { Arena } from '../arena/arena.ts';
import { CONTROL_EPOCH, CONTROL_STATE } from '../arena/control-layout.ts';
import type { EngineEvent } from '../protocol/events.ts';
import type { MachineOptions } from '../protocol/requests.ts';
import type { MachineStatus, Moment } from '../protocol/snapshots.ts';
import { eraOf, generationsToWrap } from '../kvm/eras.ts';
import type { Vcpu } from '../kvm/index.ts';
import { Symbols } from '../machine/symbols.ts';
import { BreakpointTable } from './breakpoints/breakpoint-table.ts';
import type { LaunchVcpu, Machine, StateCodec } from '../machine/index.ts';
import { Disassembler } from './code/disassembler.ts';
import type { GenerationHistory } from './memslots/generation-history.ts';
import type { MemslotHold } from './memslots/memslot-hold.ts';
import type { MemslotTrials } from './memslots/memslot-lists.ts';
import type { DebugHooks } from './breakpoints/debug-hooks.ts';
import { mmioFaultCount } from './logs/mmio-records.ts';
import { momentOf, momentOfNothing, retiredByAll } from './run/moment.ts';
import { recompileBreakpoints } from './breakpoints/breakpoint-texts.ts';
import { RateMeter } from './run/rate-meter.ts';
import type { RunControl } from './run/run-control.ts';
import type { Ask } from './run/stop-report.ts';
import { SerialHistory } from './logs/serial-history.ts';
import type { SpteTable } from './sptes/spte-table.ts';
import type { StateTransfer } from './state/state-transfer.ts';
import { vcpuSummary } from './registers/vcpu-view.ts';

/** What the session needs of the thread it lives in. */
export interface SessionPlatform {
  /** A zeroed buffer of at least so many bytes. Throws, with a sentence, when there is none. */
  allocate(bytes: number): SharedArrayBuffer;
  /** Host milliseconds, for rates and for the length of slices; nothing of the machine depends on it. */
  now(): number;
  emit(event: EngineEvent): void;
  /** Packs and unpacks machine states; without it they are written as they are, and packed ones cannot be opened. */
  readonly codec?: StateCodec;
  /** Starts a thread for a vCPU; without it there is no parallel mode. */
  readonly launchVcpu?: LaunchVcpu | undefined;
}

/** What a machine was made from, for making it again. */
export interface LoadedSource {
  readonly image: Uint8Array;
  readonly name: string;
  readonly options: MachineOptions;
}

/** A machine and everything that goes when it goes. */
export interface Debuggee {
  readonly machine: Machine;
  readonly source: LoadedSource;
  readonly run: RunControl;
  readonly hooks: DebugHooks;
  readonly history: GenerationHistory;
  readonly sptes: SpteTable;
  readonly trials: MemslotTrials;
  readonly hold: MemslotHold;
}

export class Session {
  readonly platform: SessionPlatform;
  readonly breakpoints = new BreakpointTable();
  readonly disassembler = new Disassembler();
  readonly insnRate = new RateMeter();
  readonly mmioRate = new RateMeter();
  serial = new SerialHistory();
  /** A machine state on its way out or in. */
  transfer: StateTransfer | undefined;
  debuggee: Debuggee | undefined;
  epoch = 0;
  #unsentSerial: Uint8Array[] = [];

  /** The session's own requests, for what is made of several: the console. */
  readonly answer: Ask;

  constructor(platform: SessionPlatform, answer: Ask) {
    this.platform = platform;
    this.answer = answer;
  }

  get arena(): Arena | undefined {
    return this.debuggee?.machine.arena;
  }

  get symbols(): Symbols {
    return this.debuggee?.machine.image?.symbols ?? Symbols.none;
  }

  /** Undefined when the machine has no such vCPU. */
  vcpu(id: number): Vcpu | undefined {
    return this.debuggee?.machine.vm.vcpus[id];
  }

  moment(): Moment {
    const { debuggee } = this;
    if (debuggee === undefined) return momentOfNothing(this.epoch);
    const moment = momentOf(debuggee.machine.arena, this.epoch, debuggee.run.running);
    return debuggee.hold.isHeld ? { ...moment, heldUpdate: debuggee.hold.describe() } : moment;
  }

  /** Something that a paused view shows has changed. */
  bumpEpoch(): void {
    this.epoch += 1;
    const { arena, debuggee } = this;
    if (arena === undefined) return;
    const control = arena.layout.control >> 2;
    Atomics.store(arena.i32, control + CONTROL_EPOCH, this.epoch | 0);
    Atomics.store(arena.i32, control + CONTROL_STATE, debuggee?.run.running ? 1 : 0);
  }

  status(): MachineStatus {
    const { debuggee } = this;
    const moment = this.moment();
    if (debuggee === undefined) return emptyStatus(moment);
    const { machine, source, run } = debuggee;
    const { options } = source;
    return {
      moment,
      state: run.state,
      reason: run.reason,
      image: source.name,
      mmu: options.mmu,
      era: options.era,
      maxPhyAddr: options.maxPhyAddr,
      l1tfCacheBits: options.l1tfCacheBits,
      hostPages: options.hostPages,
      eptAd: options.eptAd,
      threads: options.threads,
      ramBytes: options.ramBytes,
      vcpus: machine.vm.vcpus.map(({ cpu }) => vcpuSummary(cpu)),
      generationsToWrap: generationsToWrap(eraOf(machine.arena), moment.memslotsGeneration),
    };
  }

  announceStatus(): void {
    this.platform.emit({ kind: 'status', status: this.status() });
  }

  /** A new epoch that nobody has to ask for. */
  announceChange(): void {
    this.bumpEpoch();
    this.announceStatus();
  }

  /** Bytes that the guest sends; they leave in batches. */
  hearSerial(bytes: Uint8Array): void {
    this.serial.append(bytes);
    this.#unsentSerial.push(bytes.slice());
  }

  flushSerial(): void {
    const chunks = this.#unsentSerial;
    if (chunks.length === 0) return;
    this.#unsentSerial = [];
    const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.platform.emit({ kind: 'serial', bytes, at: this.serial.written - bytes.length });
  }

  sampleRates(): void {
    const { arena } = this;
    if (arena === undefined) return;
    const now = this.platform.now();
    this.insnRate.sample(now, retiredByAll(arena));
    this.mmioRate.sample(now, mmioFaultCount(arena));
  }

  /** Another machine, or the same one anew: what was heard of the last one goes. */
  replaceDebuggee(debuggee: Debuggee): void {
    if (this.debuggee?.machine !== debuggee.machine) this.debuggee?.machine.close();
    this.debuggee = debuggee;
    this.serial = new SerialHistory();
    this.#unsentSerial = [];
    this.insnRate.reset();
    this.mmioRate.reset();
    this.breakpoints.machine = debuggee.machine;
    this.breakpoints.forgetHits();
    recompileBreakpoints(this);
  }
}

const emptyStatus = (moment: Moment): MachineStatus => ({
  moment,
  state: 'empty',
  reason: { kind: 'none' },
  image: undefined,
  mmu: 'ept',
  era: 'patch',
  maxPhyAddr: 40,
  l1tfCacheBits: undefined,
  hostPages: '4k',
  eptAd: false,
  threads: false,
  ramBytes: 0,
  vcpus: [],
  generationsToWrap: -1,
});
