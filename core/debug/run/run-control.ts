/**
 * Runs a machine in pieces small enough that nobody waits, and decides where it stands still. How the pieces are cut has no
 * effect on the machine: whatever ends a run (a breakpoint, a goal, a number of instructions) is a place in the
 * guest's own instruction stream.
 */
import { VCPU_F_INSNS } from '../../arena/vcpu-layout.ts';
import { assertUnreachable } from '../../base/assert.ts';
import type { MachineStop } from '../../machine/machine-stop.ts';
import type { SavedStopPlace } from '../../protocol/machine-state.ts';
import { STANDS_BEFORE } from '../../protocol/breakpoint-kinds.ts';
import type { RunState, StopReason } from '../../protocol/snapshots.ts';
import type { Vcpu } from '../../kvm/index.ts';
import type { BreakpointTable } from '../breakpoints/breakpoint-table.ts';
import type { Machine, VcpuBound } from '../../machine/index.ts';
import type { DebugHooks } from '../breakpoints/debug-hooks.ts';
import { translateGva } from '../memory/guest-translation.ts';
import { describeEvent } from '../breakpoints/machine-event.ts';
import { retiredByAll } from './moment.ts';
import { placedExecution } from '../breakpoints/placed-execution.ts';
import { FREE, goalAddress, type RunGoal } from './run-goal.ts';
import { planStep } from './step-plan.ts';
import { StopPlaces } from '../breakpoints/stop-places.ts';
import type { MetInFront } from '../thread-list.ts';
import { linearRip, stackPointer } from '../registers/vcpu-view.ts';

/** The piece to begin with; it then follows the time that the last one took. */
const FIRST_QUANTUM = 512;
const MIN_QUANTUM = 64;
const MAX_QUANTUM = 1 << 20;
/** Host milliseconds a piece should take: little of what a pause may, because code not yet compiled takes twenty times longer. */
const QUANTUM_MS = 0.25;
/** How far a step may go before its request is answered: a few milliseconds even through MMIO. */
const SETTLE_INSNS = 4096;
const SETTLE_PIECES = 64;

export class RunControl {
  readonly #machine: Machine;
  readonly #breakpoints: BreakpointTable;
  readonly #hooks: DebugHooks;
  readonly #now: () => number;
  state: RunState = 'paused';
  reason: StopReason = { kind: 'loaded' };
  /** Halted until somebody types: still running, but there is nothing to do. */
  waitsForInput = false;
  #goal: RunGoal = FREE;
  #limit = Infinity;
  #quantum = FIRST_QUANTUM;
  readonly #stops = new StopPlaces();

  constructor(machine: Machine, breakpoints: BreakpointTable, hooks: DebugHooks, now: () => number) {
    this.#machine = machine;
    this.#breakpoints = breakpoints;
    this.#hooks = hooks;
    this.#now = now;
    hooks.attach(machine);
    this.armBreakpoints();
  }

  get running(): boolean {
    return this.state === 'running';
  }

  /** Whether the guest can go on at all. @returns why not */
  endedBecause(): string | undefined {
    switch (this.state) {
      case 'exited':
        return 'the guest has exited; reset the machine to run it again.';
      case 'shutdown':
        return 'the guest has shut down; reset the machine to run it again.';
      case 'error':
        return 'the machine stopped on an error; reset it to run it again.';
      default:
        return undefined;
    }
  }

  /** Tells processor and KVM where to stop. To be called when breakpoints or the goal have changed. */
  armBreakpoints(): void {
    const goal = goalAddress(this.#goal);
    const addresses = this.#breakpoints.execAddresses();
    const all = goal === undefined || addresses.includes(goal) ? addresses : [...addresses, goal];
    const specs = this.#breakpoints.placedExecs();
    for (const { id, cpu } of this.#machine.vm.vcpus) {
      const placed = placedExecution(this.#machine.arena, id, specs);
      cpu.setExecBreakpoints(all, placed?.offsets, placed?.isPlaced);
    }
    this.#hooks.rearm();
  }

  /** @param limit number of retired instructions at which to pause, whatever else */
  start(goal: RunGoal, limit = Infinity): void {
    this.#goal = goal;
    this.#limit = limit;
    this.waitsForInput = false;
    this.state = 'running';
    this.reason = { kind: 'none' };
    // What was met while the machine stood still stops nothing: it is in the log.
    this.#hooks.takeEvent();
    this.armBreakpoints();
  }

  pause(): void {
    if (this.running) this.#stop('paused', { kind: 'paused' });
  }

  /** A bug of ours showed: the machine stands where it stands. */
  fail(message: string): void {
    this.#stop('error', { kind: 'error', message });
  }

  /** Somebody typed: an idle guest has something to do again. */
  inputArrived(): void {
    this.waitsForInput = false;
  }

  /** The user moved rip or memory under it: the next instruction is another one. */
  forgetStop(): void {
    this.#stops.forget();
    this.#hooks.forget();
  }

  /** Where it has stopped already, for a machine that is saved. */
  get stopPlaces(): readonly SavedStopPlace[] {
    return this.#stops.list();
  }

  /**
   * A machine that was saved stands as it stood.
   * @param met what its vCPUs stand in front of; undefined in a state of format 1, which knows of the reason's only
   */
  resume(
    state: RunState,
    reason: StopReason,
    places: readonly SavedStopPlace[],
    met: readonly MetInFront[] | undefined,
  ): void {
    this.state = state;
    this.reason = reason;
    this.#stops.restore(places);
    this.armBreakpoints();
    const told = reason.kind === 'event-breakpoint' ? this.#hooks.metAt(reason.vcpu, reason.event) : [];
    this.#hooks.standAt(met ?? told);
  }

  /** Begins to execute `count` instructions. */
  startSteps(vcpuId: number, count: number): void {
    this.start({ kind: 'count', vcpu: vcpuId, until: this.#retiredBy(vcpuId) + count });
  }

  /** One vCPU goes on for a little, alone, and the machine stands still again. */
  runAlone(vcpuId: number, insns: number, exits: number): void {
    this.start({ kind: 'count', vcpu: vcpuId, until: this.#retiredBy(vcpuId) + insns });
    const skips = this.#stops.leave(this.#machine.vm.vcpus);
    const skipBreakpoint = (skips & (1 << vcpuId)) !== 0;
    this.#apply(this.#machine.runAlone(vcpuId, { insns, exits, skipBreakpoint }));
    this.#hooks.leave();
    if (this.running) this.#stop('paused', { kind: 'step' });
  }

  /** Short goals are reached before the request is answered; a long one goes on in slices. */
  settle(): void {
    const end = retiredByAll(this.#machine.arena) + SETTLE_INSNS;
    for (let piece = 0; piece < SETTLE_PIECES && this.running && !this.waitsForInput; piece++) {
      this.runPiece(SETTLE_INSNS);
      if (retiredByAll(this.#machine.arena) >= end) return;
    }
  }

  /** Begins to step over the instruction at rip. */
  startOver(vcpu: Vcpu): void {
    const plan = planStep(vcpu.cpu, this.#machine.devices.bus);
    if (plan.kind !== 'over') {
      this.startSteps(vcpu.id, 1);
      return;
    }
    this.start({ kind: 'over', vcpu: vcpu.id, address: plan.next, stackPointer: stackPointer(vcpu.cpu) });
  }

  startOut(vcpu: Vcpu): void {
    this.start({ kind: 'out', vcpu: vcpu.id, stackPointer: stackPointer(vcpu.cpu), over: undefined });
  }

  /** One piece of a run: about a millisecond. */
  runPiece(most = MAX_QUANTUM): void {
    const before = this.#now();
    const insns = retiredByAll(this.#machine.arena);
    const left = this.#limit - insns;
    if (left <= 0) return this.#stop('paused', { kind: 'paused' });
    if (this.#goal.kind === 'out' && this.#goal.over === undefined) this.#stepOutwards(before);
    else this.#runPiece(Math.min(this.#quantum, left, most));
    this.#adapt(this.#now() - before, retiredByAll(this.#machine.arena) - insns);
  }

  #runPiece(quantum: number): void {
    const goal = this.#goal;
    const bound = goal.kind === 'count' ? { vcpu: goal.vcpu, insns: goal.until } : undefined;
    const stop = this.#enter(quantum, bound);
    this.#apply(stop);
    if (!this.running) return;
    if (bound !== undefined && this.#retiredBy(bound.vcpu) >= bound.insns) this.#stop('paused', { kind: 'step' });
    else if (retiredByAll(this.#machine.arena) >= this.#limit) this.#stop('paused', { kind: 'paused' });
  }

  /** Goes on from where the machine stopped, past the breakpoints it stopped at. */
  #enter(budget: number, bound: VcpuBound | undefined): MachineStop {
    const stop = this.#machine.run(budget, this.#stops.leave(this.#machine.vm.vcpus), bound);
    this.#hooks.leave();
    return stop;
  }

  #apply(stop: MachineStop): void {
    switch (stop.kind) {
      case 'budget':
        return;
      case 'exec-breakpoint':
        return this.#arriveAt(stop.vcpu);
      case 'mmio-breakpoint':
        return this.#faultAt(stop.vcpu);
      case 'event':
        return this.#eventAt();
      case 'halted':
        if (stop.waitsForInput) this.waitsForInput = true;
        else this.#stop('halted', { kind: 'halted' });
        return;
      case 'exit':
        return this.#stop('exited', { kind: 'exited', status: stop.status });
      case 'shutdown':
        return this.#stop('shutdown', { kind: 'shutdown', detail: stop.message, vcpu: stop.vcpu });
      case 'error':
        return this.#stop('error', { kind: 'error', message: stop.message, vcpu: stop.vcpu });
      default:
        return assertUnreachable(stop);
    }
  }

  #arriveAt(vcpuId: number): void {
    const vcpu = this.#machine.vm.vcpus[vcpuId];
    const { cpu } = vcpu;
    const address = linearRip(cpu);
    this.#stops.note(vcpu, 'exec');
    const hit = this.#breakpoints.hitExec(address, vcpuId, () => this.#gpaOf(vcpuId, address));
    if (hit !== undefined) return this.#stop('paused', { kind: 'breakpoint', vcpu: vcpuId, address, ...hit });
    const goal = this.#goal;
    if (goal.kind === 'free' || goal.kind === 'count' || goal.vcpu !== vcpuId) return;
    if (goal.kind === 'to' && goal.address === address) this.#stop('paused', { kind: 'run-to', address });
    else if (goal.kind === 'over' && goal.address === address && stackPointer(cpu) >= goal.stackPointer) {
      this.#stop('paused', { kind: 'step' });
    } else if (goal.kind === 'out' && goal.over?.address === address && stackPointer(cpu) >= goal.over.stackPointer) {
      this.#goal = { ...goal, over: undefined };
      this.armBreakpoints();
    }
  }

  #faultAt(vcpuId: number): void {
    const stop = this.#hooks.takeStop();
    this.#stops.note(this.#machine.vm.vcpus[vcpuId], 'mmio');
    if (stop !== undefined) this.#stop('paused', { kind: 'mmio-breakpoint', ...stop });
  }

  /** Whoever stands in front of the instruction goes past its breakpoint on execution: that was met before. */
  #eventAt(): void {
    const stop = this.#hooks.takeEvent();
    if (stop === undefined) return;
    const { event, ...hit } = stop;
    const vcpu = this.#machine.vm.vcpus[event.vcpu];
    if (vcpu !== undefined && STANDS_BEFORE.has(event.kind)) this.#stops.note(vcpu, 'exec');
    this.#stop('paused', { kind: 'event-breakpoint', vcpu: event.vcpu, event: describeEvent(event), ...hit });
  }

  #gpaOf(vcpuId: number, gva: bigint): bigint | undefined {
    const gpa = translateGva(this.#machine.arena, vcpuId, gva);
    return gpa.ok ? gpa.value : undefined;
  }

  /** Steps through a function until it returns or calls; calls run freely. */
  #stepOutwards(began: number): void {
    while (this.running && !this.waitsForInput && this.#goal.kind === 'out' && this.#goal.over === undefined) {
      const goal = this.#goal;
      const { cpu } = this.#machine.vm.vcpus[goal.vcpu];
      const plan = planStep(cpu, this.#machine.devices.bus);
      if (plan.kind === 'over') {
        this.#goal = { ...goal, over: { address: plan.next, stackPointer: stackPointer(cpu) } };
        this.armBreakpoints();
        return;
      }
      this.#stepOnce(goal.vcpu);
      if (this.running && plan.kind === 'return' && stackPointer(cpu) > goal.stackPointer) {
        this.#stop('paused', { kind: 'step' });
      }
      if (this.#now() - began > QUANTUM_MS) return;
    }
  }

  #stepOnce(vcpuId: number): void {
    const bound = { vcpu: vcpuId, insns: this.#retiredBy(vcpuId) + 1 };
    this.#apply(this.#enter(this.#quantum, bound));
    if (this.running && retiredByAll(this.#machine.arena) >= this.#limit) this.#stop('paused', { kind: 'paused' });
  }

  #retiredBy(vcpuId: number): number {
    return this.#machine.vm.vcpus[vcpuId].cpu.f[VCPU_F_INSNS];
  }

  #stop(state: RunState, reason: StopReason): void {
    this.#machine.park();
    this.state = state;
    this.reason = reason;
    // Whoever stepped onto a breakpoint has seen it and means to go on from it.
    if (reason.kind === 'step' && this.#goal.kind !== 'free') {
      const vcpu = this.#machine.vm.vcpus[this.#goal.vcpu];
      if (!this.#stops.standsAt(vcpu)) this.#stops.note(vcpu, 'exec');
    }
    this.#goal = FREE;
    this.#limit = Infinity;
    this.waitsForInput = false;
    this.armBreakpoints();
  }

  /** The piece grows and shrinks with the guest's speed: an MMIO exit costs as much as thirty instructions. */
  #adapt(elapsed: number, insns: number): void {
    if (elapsed > 2 * QUANTUM_MS) {
      // Straight to what would have fitted: the host's compiler or another process may have slowed it down tenfold.
      this.#quantum = Math.max(MIN_QUANTUM, Math.floor((insns * QUANTUM_MS) / elapsed));
    } else if (elapsed < QUANTUM_MS / 2 && insns >= this.#quantum / 2) {
      this.#quantum = Math.min(MAX_QUANTUM, this.#quantum * 2);
    }
  }
}
