/**
 * The debugger's ears in the machine. KVM asks about every MMIO fault before it is handled (ADR 0002); of all else that
 * breakpoints are for, processor and KVM tell as long as one is armed (ADR 0010). What has made the machine stop waits here
 * until the run control takes it.
 */
import { MMU_PAGE_BYTES, SP_GFN } from '../arena/mmu-layout.ts';
import { u64FromHalves } from '../base/address.ts';
import type { AccessKind } from '../base/machine-modes.ts';
import { MMIO_OUTCOMES } from '../base/mmio-outcomes.ts';
import { BY_PROCESSOR } from '../kvm/hooks.ts';
import {
  memslotsGeneration,
  WATCH_MEMSLOTS,
  WATCH_PORTS,
  WATCH_SPTES,
  WATCH_WRAP,
  WATCH_ZAPS,
  type KernelLogLevel,
  type KvmHooks,
  type KvmWatch,
  type PredictedMmioFault,
} from '../kvm/index.ts';
import { mmioSpteGfn, mmioSpteFormatOf, isMmioSpte } from '../kvm/spte/spte-mmio.ts';
import type { Machine } from '../machine/index.ts';
import { MEMSLOT_CHANGE_WORDS } from '../protocol/breakpoint-kinds.ts';
import type { MmioFaultPreview } from '../protocol/snapshots.ts';
import type { Cpu } from '../x86/index.ts';
import type { BreakpointEntry, BreakpointStop, BreakpointTable } from './breakpoint-table.ts';
import type { MachineEvent } from './machine-event.ts';
import { instructionKey, MemoryWatch, ripOf } from './memory-watch.ts';
import { ENTRIES_PER_PAGE, entryGfn, pageRole, pageTable, roleLevel } from './shadow-page.ts';

const ACCESS_KINDS: readonly AccessKind[] = ['read', 'write', 'fetch'];
const VECTOR_PF = 14;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_FETCH = 16;
/** Keys of one instruction are few; more means that they are of many. */
const MAX_SEEN = 4096;

export interface MmioStop extends BreakpointStop {
  readonly vcpu: number;
  readonly fault: MmioFaultPreview;
}

export interface EventStop extends BreakpointStop {
  readonly event: MachineEvent;
}

export class DebugHooks implements KvmHooks, KvmWatch {
  mmioStopArmed = false;
  /** This very object while anything but execution and MMIO faults is watched. */
  watch: KvmWatch | undefined;
  armed = 0;
  memory = false;
  exceptions = false;
  readonly #breakpoints: BreakpointTable;
  readonly #log: (level: KernelLogLevel, text: string) => void;
  #machine: Machine | undefined;
  #memory: MemoryWatch | undefined;
  #mmioStop: MmioStop | undefined;
  #eventStop: EventStop | undefined;
  #vcpu = -1;
  /** Events of the instruction that each vCPU is at: one that is begun again is not met again. */
  readonly #seen = new Set<string>();

  constructor(breakpoints: BreakpointTable, log: (level: KernelLogLevel, text: string) => void) {
    this.#breakpoints = breakpoints;
    this.#log = log;
    this.mmioStopArmed = breakpoints.mmioArmed;
  }

  /** Listens to a machine from now on. vCPUs on threads of their own are out of reach: of them MMIO faults are heard only. */
  attach(machine: Machine): void {
    this.detach();
    this.#machine = machine;
    if (!machine.isParallel) this.#memory = new MemoryWatch(machine, (...met) => this.#meetAccess(...met));
  }

  /** Hears nothing any more until it is attached: a machine that is powered on anew changes everything. */
  detach(): void {
    this.watch = undefined;
    this.#memory = undefined;
    this.#machine = undefined;
    this.#eventStop = undefined;
    this.forget();
  }

  /** The user has moved what stands in front of the vCPUs: it is met anew. */
  forget(): void {
    this.#seen.clear();
  }

  get stopPending(): boolean {
    return this.#eventStop !== undefined;
  }

  /** To be called when the breakpoints have changed, or the machine's vCPUs are others. */
  rearm(): void {
    const breakpoints = this.#breakpoints;
    this.mmioStopArmed = breakpoints.mmioArmed;
    const machine = this.#machine;
    const memory = this.#memory;
    if (machine === undefined || memory === undefined) return;
    memory.rearm(breakpoints);
    const watchedMemory = this.memory;
    this.memory = memory.armed;
    this.exceptions = breakpoints.armed('exception') || breakpoints.armed('page-fault');
    this.armed =
      (breakpoints.armed('port') ? WATCH_PORTS : 0) |
      (breakpoints.armed('spte') ? WATCH_SPTES : 0) |
      (breakpoints.armed('memslot') || memory.followsMemslots ? WATCH_MEMSLOTS : 0) |
      (breakpoints.armed('generation-wrap') ? WATCH_WRAP : 0) |
      (breakpoints.armed('zap') ? WATCH_ZAPS : 0);
    const listens = this.memory || this.exceptions || this.armed !== 0;
    this.watch = listens ? this : undefined;
    for (const { cpu } of machine.vm.vcpus) {
      cpu.watch = this.watch;
      if (this.memory || watchedMemory) cpu.watchesChanged();
    }
  }

  onMmioFault(fault: PredictedMmioFault): boolean {
    const stop = this.#breakpoints.hitMmio(fault);
    this.mmioStopArmed = this.#breakpoints.mmioArmed;
    if (stop === undefined) return false;
    this.#mmioStop = { ...stop, vcpu: fault.vcpuId, fault: previewOf(fault) };
    return true;
  }

  onLog(level: KernelLogLevel, text: string): void {
    this.#log(level, text);
  }

  /** The fault that the last run stopped in front of. */
  takeStop(): MmioStop | undefined {
    const stop = this.#mmioStop;
    this.#mmioStop = undefined;
    return stop;
  }

  /** The event that made the last run stop. */
  takeEvent(): EventStop | undefined {
    const stop = this.#eventStop;
    this.#eventStop = undefined;
    return stop;
  }

  enter(vcpuId: number): void {
    this.#vcpu = vcpuId;
  }

  /** From now on whatever happens is user space's doing. */
  leave(): void {
    this.#vcpu = -1;
  }

  watchesPage(lo: number, hi: number, page: number): boolean {
    return this.#memory?.watchesPage(lo, hi, page) ?? false;
  }

  onLoad(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void {
    this.#memory?.onLoad(cpu, lo, hi, size, value, valueHi);
  }

  beforeStore(cpu: Cpu, lo: number, hi: number, size: number): void {
    this.#memory?.beforeStore(cpu, lo, hi, size);
  }

  onStore(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void {
    this.#memory?.onStore(cpu, lo, hi, size, value, valueHi);
  }

  onTableMark(cpu: Cpu, at: number, bits: number, kvm: boolean): void {
    this.#memory?.onTableMark(cpu, at, bits, kvm);
  }

  onSpteMark(cpu: Cpu, at: number, oldLo: number): void {
    const { arena } = cpu;
    if ((this.armed & WATCH_SPTES) !== 0) this.onSpteChange(at, oldLo, arena.i32[(at >> 2) + 1], BY_PROCESSOR);
  }

  beforeException(cpu: Cpu, vector: number, errorCode: number, gvaLo: number, gvaHi: number): boolean {
    return this.#meetException(cpu, vector, errorCode, gvaLo, gvaHi);
  }

  noteException(cpu: Cpu, vector: number, errorCode: number, gvaLo: number, gvaHi: number): void {
    this.#meetException(cpu, vector, errorCode, gvaLo, gvaHi);
  }

  onPort(vcpuId: number, port: number, size: number, out: boolean, string: boolean, value: number): boolean {
    const cpu = this.#machine?.vm.vcpus[vcpuId].cpu;
    if (cpu === undefined || !this.#isNew(`${instructionKey(cpu)}:port:${ripOf(cpu)}`)) return false;
    const values = [BigInt(port), BigInt(size), out ? 1n : 0n, BigInt(value >>> 0), string ? 1n : 0n];
    return this.#meet({ kind: 'port', vcpu: vcpuId, values });
  }

  onSpteChange(sptep: number, oldLo: number, oldHi: number, by: number): void {
    const { arena } = this.#machine ?? {};
    if (arena === undefined) return;
    const newLo = arena.i32[sptep >> 2];
    const newHi = arena.i32[(sptep >> 2) + 1];
    if (newLo === oldLo && newHi === oldHi) return;
    const page = Math.floor((sptep - arena.layout.shadowPages) / 4096);
    const entry = ((sptep - pageTable(arena, page)) >> 3) % ENTRIES_PER_PAGE;
    const format = mmioSpteFormatOf(arena);
    const gfn = isMmioSpte(format, newLo, newHi)
      ? mmioSpteGfn(format, newLo, newHi)
      : isMmioSpte(format, oldLo, oldHi)
        ? mmioSpteGfn(format, oldLo, oldHi)
        : entryGfn(arena, page, entry);
    const level = roleLevel(pageRole(arena, page));
    const before = u64FromHalves(oldLo, oldHi);
    const after = u64FromHalves(newLo, newHi);
    const frame = BigInt(gfn);
    const values = [BigInt(sptep), frame, frame << 12n, BigInt(level), before, after, before ^ after, BigInt(by)];
    this.#meetBehind({ kind: 'spte', vcpu: this.#vcpu, values });
  }

  onMemslotChange(change: string, slotId: number, npages: number): void {
    const machine = this.#machine;
    if (machine === undefined) return;
    const kind = MEMSLOT_CHANGE_WORDS.findIndex((word) => word === change);
    const values = [BigInt(slotId), BigInt(kind), BigInt(npages), memslotsGeneration(machine.arena)];
    this.#meetBehind({ kind: 'memslot', vcpu: this.#vcpu, values });
    if (this.#memory?.followsMemslots === true) this.rearm();
  }

  onGenerationWrap(generation: bigint): void {
    this.#meetBehind({ kind: 'generation-wrap', vcpu: this.#vcpu, values: [generation] });
  }

  onZap(page: number): void {
    const { arena } = this.#machine ?? {};
    if (arena === undefined) return;
    const role = pageRole(arena, page);
    const gfn = BigInt(arena.f64[(arena.layout.mmuPages + page * MMU_PAGE_BYTES + SP_GFN) >> 3]);
    const values = [BigInt(page), gfn, gfn << 12n, BigInt(roleLevel(role)), BigInt(role >>> 0)];
    this.#meetBehind({ kind: 'zap', vcpu: this.#vcpu, values });
  }

  #meetException(cpu: Cpu, vector: number, errorCode: number, gvaLo: number, gvaHi: number): boolean {
    const rip = ripOf(cpu);
    if (!this.#isNew(`${instructionKey(cpu)}:exception:${rip}:${vector}`)) return false;
    const code = BigInt(errorCode >>> 0);
    const gva = vector === VECTOR_PF ? u64FromHalves(gvaLo, gvaHi) : 0n;
    const stops = this.#meet({ kind: 'exception', vcpu: cpu.vcpuId, values: [BigInt(vector), code, gva, rip] });
    if (vector !== VECTOR_PF) return stops;
    const access = (errorCode & PF_WRITE) !== 0 ? 1n : (errorCode & PF_FETCH) !== 0 ? 2n : 0n;
    const user = (errorCode & PF_USER) !== 0 ? 1n : 0n;
    return this.#meet({ kind: 'page-fault', vcpu: cpu.vcpuId, values: [gva, code, access, user, rip] }) || stops;
  }

  #meetAccess(entry: BreakpointEntry, event: MachineEvent, cpu: Cpu, key: string): void {
    if (!this.#isNew(key)) return;
    this.#stopFor(this.#breakpoints.hitEntry(entry, event), event);
    if (this.stopPending) cpu.stopAfterInstruction();
  }

  /** Something that has happened: the vCPU stops when it is done with the instruction, and KVM with the exit. */
  #meetBehind(event: MachineEvent): void {
    if (this.#meet(event) && event.vcpu >= 0) this.#machine?.vm.vcpus[event.vcpu].cpu.stopAfterInstruction();
  }

  #meet(event: MachineEvent): boolean {
    return this.#stopFor(this.#breakpoints.hit(event), event);
  }

  /** The first of several stops is the one that is told. */
  #stopFor(stop: BreakpointStop | undefined, event: MachineEvent): boolean {
    if (stop === undefined) return false;
    this.#eventStop ??= { ...stop, event };
    return true;
  }

  /** An instruction that is begun again (after an exit, or after the machine has stopped in front of it) meets nothing twice. */
  #isNew(key: string): boolean {
    if (this.#seen.has(key)) return false;
    if (this.#seen.size >= MAX_SEEN) this.#seen.clear();
    this.#seen.add(key);
    return true;
  }
}

const previewOf = (fault: PredictedMmioFault): MmioFaultPreview => ({
  gva: u64FromHalves(fault.gvaLo, fault.gvaHi),
  gpa: u64FromHalves(fault.gpaLo, fault.gpaHi),
  access: ACCESS_KINDS[fault.access],
  outcome: MMIO_OUTCOMES[fault.outcome],
  spteGen: fault.spteGen,
  kvmGen: fault.kvmGen,
});
