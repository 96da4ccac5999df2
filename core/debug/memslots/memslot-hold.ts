/**
 * A memslot update of the session's machine that is held between its steps, while chosen vCPUs go on alone (docs/race-lab.md).
 * The kernel would hold slots_lock all the while, so whatever takes that lock is refused until the update is finished. What is
 * left of the update is in this object and not in the arena: such a machine cannot be saved.
 */
import { VCPU_EXIT_REASON, VCPU_F_INSNS, VCPU_RIP } from '../../arena/vcpu-layout.ts';
import { assert } from '../../base/assert.ts';
import { ok } from '../../base/result.ts';
import { formatHex } from '../../format/address-text.ts';
import { SVM_EXIT_NAMES, VMX_EXIT_NAMES } from '../../format/exit-reasons.ts';
import { generationsText } from '../../format/memslot-text.ts';
import { memslotStepText } from '../../format/memslot-step-text.ts';
import { formatPlural } from '../../format/quantity.ts';
import { readVcpuCounters } from '../../kvm/index.ts';
import type { MemslotUpdate } from '../../kvm/memslots/memslot-update.ts';
import { bugStrikes, KVM_BUGS, type KvmBugId } from '../../kvm/mmio/mmio-bugs.ts';
import { mmuBefore, reportChange, type MmuBefore } from '../../kvm/vm-report.ts';
import type { HeldUpdate, HoldEvent, HoldSnapshot } from '../../protocol/held-update.ts';
import type { MemslotReport, MemslotSnapshot, UserMemoryRegion } from '../../protocol/snapshots.ts';
import { inverseOf, noteChange } from './memslot-changes.ts';
import { listMemslots } from './memslot-list.ts';
import { mmioFaultCount, readMmioLog } from '../logs/mmio-records.ts';
import { memslotRefused, notAllowed, refused, type Handled } from '../refusal.ts';
import { presentMachine } from '../requests/present.ts';
import type { Session } from '../session.ts';

/** Exits in which an instruction may be begun again before it is said to make no progress. */
const MAX_EXITS = 16;
/** How far a vCPU runs when it is to run to its next exit and takes none. */
const MAX_INSNS = 2_000_000;
const MAX_EVENTS = 500;
/** Faults that are named of one run; the rest are counted. */
const NAMED_FAULTS = 4;

/** How far a vCPU is to go alone. */
export type LoneGoal = { readonly kind: 'insns'; readonly count: number } | { readonly kind: 'exit' };

/** A call that has begun. */
interface HeldCall {
  readonly region: UserMemoryRegion;
  readonly update: MemslotUpdate;
  readonly before: MmuBefore;
  readonly old: MemslotSnapshot | undefined;
  readonly number: number;
}

export class MemslotHold {
  #regions: readonly UserMemoryRegion[] = [];
  #call: HeldCall | undefined;
  #events: HoldEvent[] = [];
  #reports: MemslotReport[] = [];
  #inverse: UserMemoryRegion[] = [];

  get isHeld(): boolean {
    return this.#call !== undefined;
  }

  /** `slot 2's CREATE, at 'installed'` */
  describe(): string {
    const call = this.#call;
    if (call === undefined) return 'none';
    const { update, region } = call;
    const at = update.taken === 0 ? 'its beginning' : `'${update.names[update.taken - 1]}'`;
    return `slot ${region.slot}: ${update.change}, held at ${at}`;
  }

  snapshot(session: Session): HoldSnapshot {
    return {
      moment: session.moment(),
      held: this.#held(),
      events: this.#events,
      reports: this.#reports,
      inverse: this.#inverse,
    };
  }

  /** Begins the first of the calls, which does nothing yet but set memory aside. A list of which one would be refused is not begun. */
  begin(session: Session, regions: readonly UserMemoryRegion[]): Handled<HoldSnapshot> {
    const { machine, run, trials } = presentMachine(session);
    if (machine.isParallel) {
      return notAllowed(
        'vCPUs on threads of their own do not stand still while an update is held: make the machine without threads.',
      );
    }
    if (run.running) return notAllowed('pause the machine before you hold a memslot update.');
    const tried = trials.outcomes(session, regions);
    if (!tried.ok) return tried;
    for (const outcome of tried.value) if (outcome.kind === 'refusal') return memslotRefused(outcome.refusal);
    const changing = regions.filter((_region, i) => {
      const outcome = tried.value[i];
      return outcome.kind === 'report' && outcome.report.change !== 'NONE';
    });
    if (changing.length === 0) return refused('the call changes nothing: it has no step to be held at.');
    this.#regions = changing;
    this.#events = [];
    this.#reports = [];
    this.#inverse = [];
    this.#beginCall(session, 1);
    return this.#told(session);
  }

  /** So many steps further; a call whose last step is done has returned, and the next one begins. */
  step(session: Session, steps: number): Handled<HoldSnapshot> {
    if (this.#call === undefined) return noneHeld();
    for (let n = 0; n < steps && this.#call !== undefined; n += 1) this.#step(session);
    return this.#told(session);
  }

  finish(session: Session): Handled<HoldSnapshot> {
    return this.step(session, Infinity);
  }

  /** One vCPU goes on while the update and all others stand. */
  runAlone(session: Session, vcpuId: number, goal: LoneGoal): Handled<HoldSnapshot> {
    if (this.#call === undefined) return noneHeld();
    const { machine, run } = presentMachine(session);
    const ended = run.endedBecause();
    if (ended !== undefined) return notAllowed(ended);
    const vcpu = machine.vm.vcpus[vcpuId];
    if (!vcpu.runnable()) return notAllowed(`vCPU ${vcpuId} waits for an interrupt or to be started: it has no step.`);
    const { arena } = machine;
    const before = { insns: vcpu.cpu.f[VCPU_F_INSNS], exits: exitsOf(session, vcpuId), faults: mmioFaultCount(arena) };
    this.#watched(session, () => {
      if (goal.kind === 'exit') run.runAlone(vcpuId, MAX_INSNS, 1);
      else run.runAlone(vcpuId, goal.count, Math.max(MAX_EXITS, goal.count * MAX_EXITS));
      const retired = vcpu.cpu.f[VCPU_F_INSNS] - before.insns;
      const exits = exitsOf(session, vcpuId) - before.exits;
      const { kind } = run.reason;
      const stuck = kind === 'step' && goal.kind === 'insns' && retired < goal.count && vcpu.runnable();
      const parts = [
        `${formatPlural(retired, 'instruction')} retired`,
        exits === 0 ? 'no exit' : `${formatPlural(exits, 'exit')}${lastExit(session, vcpuId)}`,
        ...faultTexts(session, before.faults, vcpuId),
        ...(stuck ? ['it is begun again and again: no progress before the update goes on'] : []),
        ...(vcpu.runnable() ? [] : ['the vCPU waits now']),
        ...(kind === 'step' ? [] : [`stopped: ${kind}`]),
      ];
      return `vCPU ${vcpuId}: ${parts.join('; ')}; at rip ${formatHex(ripOf(session, vcpuId))}`;
    });
    return this.#told(session);
  }

  #held(): HeldUpdate | undefined {
    const call = this.#call;
    if (call === undefined) return undefined;
    const { update, region, number } = call;
    return {
      region,
      change: update.change,
      call: number,
      calls: this.#regions.length,
      steps: update.names.map((name, i) => ({ name, isDone: i < update.taken })),
    };
  }

  #beginCall(session: Session, number: number): void {
    const { machine } = presentMachine(session);
    const region = this.#regions[number - 1];
    const before = mmuBefore(machine.vm.mmu);
    const old = listMemslots(machine.arena).find(({ id }) => id === region.slot);
    this.#watched(session, () => {
      const begun = machine.vm.beginMemslotUpdate(region);
      assert(begun.ok, 'a memslot change was refused that had succeeded on the copy');
      this.#call = { region, update: begun.value, before, old, number };
      return `slot ${region.slot}: ${begun.value.change} has begun; nothing is published yet`;
    });
  }

  #step(session: Session): void {
    const call = this.#call;
    assert(call !== undefined, 'there is an update to step');
    const { update } = call;
    const { options } = presentMachine(session).source;
    this.#watched(session, () => {
      const name = update.next;
      assert(name !== undefined, 'a held update has a step left');
      update.step();
      return `${name}: ${memslotStepText(options.era, name).meaning}`;
    });
    if (update.next === undefined) this.#return(session, call);
  }

  #return(session: Session, { region, update, before, old, number }: HeldCall): void {
    const { vm } = presentMachine(session).machine;
    const report = reportChange(vm.mmu, update.report(), before);
    this.#call = undefined;
    this.#reports = [...this.#reports, report];
    const back = inverseOf(region, report, old);
    if (back !== undefined) this.#inverse = [back, ...this.#inverse];
    noteChange(session, region, report);
    this.#watched(session, () => `slot ${region.slot}: ${report.change} has returned: ${generationsText(report)}`);
    if (number < this.#regions.length) this.#beginCall(session, number + 1);
  }

  /** Does something, and keeps what it says of it and which known bugs struck. */
  #watched(session: Session, act: () => string): void {
    const { arena, vm } = presentMachine(session).machine;
    const before = bugStrikes(arena);
    const what = act();
    const after = bugStrikes(arena);
    const bugs = KVM_BUGS.filter(({ id }) => isRace(id) && after[id] > before[id]).map(({ title }) => title);
    const { insns } = session.moment();
    this.#events = [...this.#events, { insns, what, bugs, memslotsGeneration: vm.memslotsGeneration() }].slice(
      -MAX_EVENTS,
    );
  }

  #told(session: Session): Handled<HoldSnapshot> {
    session.flushSerial();
    session.announceChange();
    return ok(this.snapshot(session));
  }
}

/** The drift of a counter is no race. */
const isRace = (id: KvmBugId): boolean => id !== 'largepages-drift';

const noneHeld = (): Handled<never> => notAllowed('no memslot update is held.');

const exitsOf = (session: Session, vcpuId: number): number =>
  readVcpuCounters(presentMachine(session).machine.arena, vcpuId).exits;

function lastExit(session: Session, vcpuId: number): string {
  const { machine, source } = presentMachine(session);
  const reason = machine.vm.vcpus[vcpuId].cpu.r[VCPU_EXIT_REASON];
  const names = source.options.mmu === 'npt' ? SVM_EXIT_NAMES : VMX_EXIT_NAMES;
  const name = names[reason];
  return name === undefined ? '' : ` (${name} last)`;
}

/** `read of gpa 0xe0000000 came to EMULATE` */
function faultTexts(session: Session, since: number, vcpuId: number): readonly string[] {
  const { arena } = presentMachine(session).machine;
  const { records, total } = readMmioLog(arena, since, NAMED_FAULTS, () => undefined);
  const texts = records
    .filter(({ vcpu }) => vcpu === vcpuId)
    .map(({ access, gpa, outcome }) => `${access} of gpa ${formatHex(gpa)} came to ${outcome}`);
  const more = total - since - NAMED_FAULTS;
  return more > 0 ? [...texts, `and ${formatPlural(more, 'MMIO fault')} more`] : texts;
}

function ripOf(session: Session, vcpuId: number): bigint {
  const { r } = presentMachine(session).machine.vm.vcpus[vcpuId].cpu;
  return (BigInt(r[VCPU_RIP + 1] >>> 0) << 32n) | BigInt(r[VCPU_RIP] >>> 0);
}
