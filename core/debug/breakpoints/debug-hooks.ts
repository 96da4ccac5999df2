/**
 * The debugger's ears in the machine. KVM asks about every MMIO fault before it is handled (ADR 0002); of all else that
 * breakpoints are for, an event watch hears as long as one is armed (ADR 0010): here, or on the vCPUs' threads, which send
 * what they have met (ADR 0011). What has made the machine stop waits here until the run control takes it.
 */
import { asciiBytes } from '../../base/ascii.ts';
import { u64FromHalves } from '../../base/address.ts';
import type { AccessKind } from '../../base/machine-modes.ts';
import { MMIO_OUTCOMES } from '../../base/mmio-outcomes.ts';
import type { KernelLogLevel, KvmWatch, PredictedMmioFault } from '../../kvm/index.ts';
import {
  OUTBOX_EVENTS,
  type Machine,
  type MachineHooks,
  type ThreadEvent,
  type ThreadVerdict,
} from '../../machine/index.ts';
import { BREAKPOINT_KIND_NAMES, STANDS_BEFORE } from '../../protocol/breakpoint-kinds.ts';
import type { BreakpointEvent, MmioFaultPreview } from '../../protocol/snapshots.ts';
import { eventMatches } from './breakpoint-match.ts';
import type { BreakpointEntry, BreakpointStop, BreakpointTable } from './breakpoint-table.ts';
import { EventWatch, VECTOR_PF, type EventSink } from './event-watch.ts';
import type { MachineEvent } from './machine-event.ts';
import { MetPlaces } from './met-in-front.ts';
import { ripOf } from '../memory/memory-watch.ts';
import { threadListText, type MetInFront } from '../thread-list.ts';

const ACCESS_KINDS: readonly AccessKind[] = ['read', 'write', 'fetch'];

export interface MmioStop extends BreakpointStop {
  readonly vcpu: number;
  readonly fault: MmioFaultPreview;
}

export interface EventStop extends BreakpointStop {
  readonly event: MachineEvent;
}

export class DebugHooks implements MachineHooks, EventSink {
  mmioStopArmed = false;
  /** There while anything but execution and MMIO faults is watched. */
  watch: KvmWatch | undefined;
  threadList: Uint8Array | undefined;
  forgotten = 0;
  readonly #breakpoints: BreakpointTable;
  readonly #log: (level: KernelLogLevel, text: string) => void;
  #machine: Machine | undefined;
  #events: EventWatch | undefined;
  #threadText = '';
  readonly #met = new MetPlaces();
  /** Of the machine when it was opened: the threads have to be told. */
  #opened: readonly MetInFront[] = [];
  #mmioStop: MmioStop | undefined;
  #eventStop: EventStop | undefined;

  constructor(breakpoints: BreakpointTable, log: (level: KernelLogLevel, text: string) => void) {
    this.#breakpoints = breakpoints;
    this.#log = log;
    this.mmioStopArmed = breakpoints.mmioArmed;
  }

  /** Listens to a machine from now on. What vCPUs on threads of their own do is heard there; what KVM does for user space, here. */
  attach(machine: Machine): void {
    this.detach();
    const { arena, devices, vm, isParallel } = machine;
    const cpus = isParallel ? [] : vm.vcpus.map(({ cpu }) => cpu);
    this.#machine = machine;
    this.#events = new EventWatch({ arena, bus: devices.bus, cpus }, this);
  }

  /** Hears nothing any more until it is attached: a machine that is powered on anew changes everything. */
  detach(): void {
    this.#events?.rearm([]);
    this.watch = undefined;
    this.#events = undefined;
    this.#machine = undefined;
    this.#eventStop = undefined;
    this.forget();
  }

  /** The user has moved what stands in front of the vCPUs: it is met anew. */
  forget(): void {
    this.#events?.forget();
    this.#met.forget();
    this.#opened = [];
    this.forgotten += 1;
  }

  /** What each vCPU stands in front of and has been told of. */
  get metInFront(): readonly MetInFront[] {
    return this.#machine === undefined ? [] : this.#met.list(this.#machine);
  }

  /** A machine that was saved stands in front of these: they are not met again, here or on the vCPUs' threads. */
  standAt(met: readonly MetInFront[]): void {
    this.#opened = met;
    for (const each of met) {
      this.#met.add(each);
      this.#events?.standAt(each);
    }
    this.rearm();
  }

  /** As {@link metInFront} was told before there was a list: by the event that the machine stopped for. */
  metAt(vcpu: number, { kind, fields }: BreakpointEvent): readonly MetInFront[] {
    const cpu = this.#machine?.vm.vcpus[vcpu]?.cpu;
    if (cpu === undefined || (kind !== 'port' && kind !== 'exception' && kind !== 'page-fault')) return [];
    const vector = kind === 'page-fault' ? VECTOR_PF : fields.find(({ name }) => name === 'vector')?.value;
    return [{ vcpu, kind, vector: Number(vector ?? 0), insns: cpu.instructions(), rip: ripOf(cpu) }];
  }

  get stopPending(): boolean {
    return this.#eventStop !== undefined;
  }

  /** To be called when the breakpoints have changed, or the machine's vCPUs are others. */
  rearm(): void {
    const breakpoints = this.#breakpoints;
    this.mmioStopArmed = breakpoints.mmioArmed;
    if (this.#events === undefined) return;
    const armed = breakpoints.entries.filter(({ enabled }) => enabled);
    this.watch = this.#events.rearm(armed) ? this.#events : undefined;
    if (this.#machine?.isParallel !== true) return;
    const text = threadListText(armed, this.#opened);
    if (text === this.#threadText) return;
    this.#threadText = text;
    this.threadList = asciiBytes(text);
  }

  /** Ranges by gpa are watched on threads: they stand while the memslots change, and go on with the ranges in their new place. */
  beforeMemslotChange(): void {
    if (this.#machine?.isParallel === true && this.#events?.followsMemslots === true) this.#machine.park();
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

  /** The vCPU stands still meanwhile; the others do not. */
  onThreadEvents(vcpu: number, events: readonly ThreadEvent[], missed: number): ThreadVerdict {
    let verdict: ThreadVerdict = 'go';
    for (const { kind, target, values } of events) {
      const event: MachineEvent = { kind: BREAKPOINT_KIND_NAMES[kind], vcpu, values };
      verdict = STANDS_BEFORE.has(event.kind) ? 'pass' : 'go';
      if (target === 0) this.meet(event);
      else this.meetFor(target, event);
    }
    const last = events.at(-1);
    if (missed > 0 && last !== undefined) this.#tellMissed(vcpu, last, missed);
    return this.stopPending ? 'stop' : verdict;
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

  /** From now on whatever happens is user space's doing. */
  leave(): void {
    this.#events?.leave();
  }

  meet(event: MachineEvent): boolean {
    if (this.#machine !== undefined) this.#met.note(this.#machine, event);
    return this.#stopFor(this.#breakpoints.hit(event), event);
  }

  meetFor(id: number, event: MachineEvent): boolean {
    const entry = this.#breakpoints.entry(id);
    if (entry !== undefined) this.#stopFor(this.#breakpoints.hitEntry(entry, event), event);
    return this.stopPending;
  }

  /** The first of several stops is the one that is told. */
  #stopFor(stop: BreakpointStop | undefined, event: MachineEvent): boolean {
    if (stop === undefined) return false;
    this.#eventStop ??= { ...stop, event };
    return true;
  }

  /** More than a thread has room for: nobody can say whether the machine should have stopped, so it does, and says so. */
  #tellMissed(vcpu: number, { kind, target, values }: ThreadEvent, missed: number): void {
    const event: MachineEvent = { kind: BREAKPOINT_KIND_NAMES[kind], vcpu, values };
    const isFor = ({ id, enabled, spec }: BreakpointEntry): boolean =>
      enabled && (target === 0 ? spec.kind === event.kind && eventMatches(spec, event) : id === target);
    const entry = this.#breakpoints.entries.find(isFor);
    if (entry === undefined) return;
    const problem = `${missed} more of this exit were not looked at: a vCPU's thread keeps ${OUTBOX_EVENTS}`;
    this.#eventStop ??= { id: entry.id, problem, event };
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
