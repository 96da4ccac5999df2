/**
 * What processor and KVM tell of everything but execution and MMIO faults, made into events (ADR 0010). The same watch listens
 * to a machine whose vCPUs take turns and, one each, to vCPUs on threads of their own; its sink decides what comes of an event.
 */
import type { Arena } from '../../arena/arena.ts';
import { MMU_PAGE_BYTES, SP_GFN } from '../../arena/mmu-layout.ts';
import { u64FromHalves } from '../../base/address.ts';
import { BY_PROCESSOR } from '../../kvm/hooks.ts';
import {
  memslotsGeneration,
  WATCH_MEMSLOTS,
  WATCH_PORTS,
  WATCH_SPTES,
  WATCH_WRAP,
  WATCH_ZAPS,
  type KvmWatch,
} from '../../kvm/index.ts';
import { isMmioSpte, mmioSpteFormatOf, mmioSpteGfn } from '../../kvm/spte/spte-mmio.ts';
import { MEMSLOT_CHANGE_WORDS } from '../../protocol/breakpoint-kinds.ts';
import type { BreakpointKind, BreakpointSpec } from '../../protocol/snapshots.ts';
import type { Cpu } from '../../x86/index.ts';
import type { MetInFront } from '../thread-list.ts';
import type { MachineEvent } from './machine-event.ts';
import { instructionKey, MemoryWatch, ripOf } from '../memory/memory-watch.ts';
import type { DevicePeek } from '../memory/memory-view.ts';
import { ENTRIES_PER_PAGE, entryGfn, pageRole, pageTable, roleLevel } from '../sptes/shadow-page.ts';

export const VECTOR_PF = 14;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_FETCH = 16;
/** Keys of one instruction are few; more means that they are of many. */
const MAX_SEEN = 4096;

const portKey = (cpu: Cpu): string => `${instructionKey(cpu)}:port:${ripOf(cpu)}`;
const exceptionKey = (cpu: Cpu, vector: number): string => `${instructionKey(cpu)}:exception:${ripOf(cpu)}:${vector}`;

/** An enabled breakpoint, as far as it has to be known where events are made. */
export interface ArmedBreakpoint {
  readonly id: number;
  readonly spec: BreakpointSpec;
}

/** Where the watch listens: a whole machine, or one vCPU's thread of it. */
export interface WatchedPlace {
  readonly arena: Arena;
  readonly bus: DevicePeek;
  /** Those whose instructions it hears; none in the engine of a machine with threads. */
  readonly cpus: readonly Cpu[];
}

export interface EventSink {
  /** Something was met that the machine is to stand still for. */
  readonly stopPending: boolean;
  /** @returns whether the vCPU is to stand still */
  meet(event: MachineEvent): boolean;
  /** The same for a breakpoint that is known to match. */
  meetFor(id: number, event: MachineEvent): boolean;
}

export class EventWatch implements KvmWatch {
  armed = 0;
  memory = false;
  exceptions = false;
  readonly #place: WatchedPlace;
  readonly #sink: EventSink;
  readonly #memory: MemoryWatch;
  #breakpoints: readonly ArmedBreakpoint[] = [];
  /** Ranges by gpa lie where the memslots of this generation put them. */
  #generation = -1n;
  #vcpu = -1;
  /** Events of the instruction that each vCPU is at: one that is begun again is not met again. */
  readonly #seen = new Set<string>();

  constructor(place: WatchedPlace, sink: EventSink) {
    this.#place = place;
    this.#sink = sink;
    this.#memory = new MemoryWatch(place.arena, place.bus, (...met) => this.#meetAccess(...met));
  }

  get stopPending(): boolean {
    return this.#sink.stopPending;
  }

  /** Ranges by gpa are watched: they follow the memslots at the next entry. */
  get followsMemslots(): boolean {
    return this.#memory.followsMemslots;
  }

  /** Watches for these from now on. @returns whether there is anything to hear */
  rearm(breakpoints: readonly ArmedBreakpoint[]): boolean {
    const isArmed = (kind: BreakpointKind): boolean => breakpoints.some(({ spec }) => spec.kind === kind);
    const hasCpus = this.#place.cpus.length > 0;
    this.#breakpoints = breakpoints;
    this.exceptions = hasCpus && (isArmed('exception') || isArmed('page-fault'));
    this.armed =
      (isArmed('port') ? WATCH_PORTS : 0) |
      (isArmed('spte') ? WATCH_SPTES : 0) |
      (isArmed('memslot') ? WATCH_MEMSLOTS : 0) |
      (isArmed('generation-wrap') ? WATCH_WRAP : 0) |
      (isArmed('zap') ? WATCH_ZAPS : 0);
    const watchedMemory = this.memory;
    this.#placeRanges();
    this.memory = hasCpus && this.#memory.armed;
    const listens = this.memory || this.exceptions || this.armed !== 0;
    for (const cpu of this.#place.cpus) {
      cpu.watch = listens ? this : undefined;
      if (this.memory || watchedMemory) cpu.watchesChanged();
    }
    return listens;
  }

  /** The user has moved what stands in front of the vCPUs: it is met anew. */
  forget(): void {
    this.#seen.clear();
  }

  /** The vCPU was met in front of this before it was saved; nothing if it has gone on since. */
  standAt({ vcpu, kind, vector, insns, rip }: MetInFront): void {
    const cpu = this.#cpuOf(vcpu);
    if (cpu === undefined || cpu.instructions() !== insns || ripOf(cpu) !== rip) return;
    if (kind === 'port') this.#seen.add(portKey(cpu));
    else this.#seen.add(exceptionKey(cpu, vector));
  }

  enter(vcpuId: number): void {
    this.#vcpu = vcpuId;
    if (!this.followsMemslots || memslotsGeneration(this.#place.arena) === this.#generation) return;
    this.#placeRanges();
    for (const cpu of this.#place.cpus) cpu.watchesChanged();
  }

  /** From now on whatever happens is user space's doing. */
  leave(): void {
    this.#vcpu = -1;
  }

  watchesPage(lo: number, hi: number, page: number): boolean {
    return this.#memory.watchesPage(lo, hi, page);
  }

  onLoad(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void {
    this.#memory.onLoad(cpu, lo, hi, size, value, valueHi);
  }

  beforeStore(cpu: Cpu, lo: number, hi: number, size: number): void {
    this.#memory.beforeStore(cpu, lo, hi, size);
  }

  onStore(cpu: Cpu, lo: number, hi: number, size: number, value: number, valueHi: number): void {
    this.#memory.onStore(cpu, lo, hi, size, value, valueHi);
  }

  onTableMark(cpu: Cpu, at: number, bits: number, kvm: boolean): void {
    this.#memory.onTableMark(cpu, at, bits, kvm);
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
    const cpu = this.#cpuOf(vcpuId);
    if (cpu === undefined || !this.#isNew(portKey(cpu))) return false;
    const values = [BigInt(port), BigInt(size), out ? 1n : 0n, BigInt(value >>> 0), string ? 1n : 0n];
    return this.#sink.meet({ kind: 'port', vcpu: vcpuId, values });
  }

  onSpteChange(sptep: number, oldLo: number, oldHi: number, by: number): void {
    const { arena } = this.#place;
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
    const kind = MEMSLOT_CHANGE_WORDS.findIndex((word) => word === change);
    const values = [BigInt(slotId), BigInt(kind), BigInt(npages), memslotsGeneration(this.#place.arena)];
    this.#meetBehind({ kind: 'memslot', vcpu: this.#vcpu, values });
  }

  onGenerationWrap(generation: bigint): void {
    this.#meetBehind({ kind: 'generation-wrap', vcpu: this.#vcpu, values: [generation] });
  }

  onZap(page: number): void {
    const { arena } = this.#place;
    const role = pageRole(arena, page);
    const gfn = BigInt(arena.f64[(arena.layout.mmuPages + page * MMU_PAGE_BYTES + SP_GFN) >> 3]);
    const values = [BigInt(page), gfn, gfn << 12n, BigInt(roleLevel(role)), BigInt(role >>> 0)];
    this.#meetBehind({ kind: 'zap', vcpu: this.#vcpu, values });
  }

  #meetException(cpu: Cpu, vector: number, errorCode: number, gvaLo: number, gvaHi: number): boolean {
    const rip = ripOf(cpu);
    if (!this.#isNew(exceptionKey(cpu, vector))) return false;
    const code = BigInt(errorCode >>> 0);
    const gva = vector === VECTOR_PF ? u64FromHalves(gvaLo, gvaHi) : 0n;
    const stops = this.#sink.meet({ kind: 'exception', vcpu: cpu.vcpuId, values: [BigInt(vector), code, gva, rip] });
    if (vector !== VECTOR_PF) return stops;
    const access = (errorCode & PF_WRITE) !== 0 ? 1n : (errorCode & PF_FETCH) !== 0 ? 2n : 0n;
    const user = (errorCode & PF_USER) !== 0 ? 1n : 0n;
    return this.#sink.meet({ kind: 'page-fault', vcpu: cpu.vcpuId, values: [gva, code, access, user, rip] }) || stops;
  }

  #meetAccess(id: number, event: MachineEvent, cpu: Cpu, key: string): void {
    if (this.#isNew(key) && this.#sink.meetFor(id, event)) cpu.stopAfterInstruction();
  }

  /** Something that has happened: the vCPU stops when it is done with the instruction, and KVM with the exit. */
  #meetBehind(event: MachineEvent): void {
    if (this.#sink.meet(event)) this.#cpuOf(event.vcpu)?.stopAfterInstruction();
  }

  #cpuOf(vcpuId: number): Cpu | undefined {
    return this.#place.cpus.find((cpu) => cpu.vcpuId === vcpuId);
  }

  #placeRanges(): void {
    this.#generation = memslotsGeneration(this.#place.arena);
    this.#memory.rearm(this.#breakpoints);
  }

  /** An instruction that is begun again (after an exit, or after the machine has stopped in front of it) meets nothing twice. */
  #isNew(key: string): boolean {
    if (this.#seen.has(key)) return false;
    if (this.#seen.size >= MAX_SEEN) this.#seen.clear();
    this.#seen.add(key);
    return true;
  }
}
