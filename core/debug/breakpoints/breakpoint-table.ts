/**
 * The breakpoints of a session. They belong to the debugger, not to the machine: they live in plain objects, survive a reset
 * and leave no trace in the arena. The table decides whether something that is met stops the machine or writes a line.
 */
import { u64FromHalves } from '../../base/address.ts';
import { MMIO_OUTCOMES } from '../../base/mmio-outcomes.ts';
import { memslotIsReadonly } from '../../kvm/memslots/memslots.ts';
import type { Machine } from '../../machine/index.ts';
import type { BreakpointWish } from '../../protocol/requests.ts';
import type { BreakpointKind, BreakpointSnapshot, BreakpointSpec, HitMode } from '../../protocol/snapshots.ts';
import { BreakpointLogBook } from './breakpoint-log.ts';
import { eventMatches } from './breakpoint-match.ts';
import { breakpointText } from './breakpoint-text.ts';
import { askExpression, type CompiledExpression } from '../expression/compiled.ts';
import type { Values } from '../expression/evaluator.ts';
import { fillLogTemplate, type LogTemplate } from '../expression/log-template.ts';
import { machineValues } from '../expression/machine-values.ts';
import { fieldOf, type MachineEvent } from './machine-event.ts';
import { resolveGpa } from '../memory/memory-target.ts';
import { retiredByAll } from '../run/moment.ts';
import { isExactExec, type ExecSpec } from './placed-execution.ts';

const TWO_32 = 0x1_0000_0000;

/** What a breakpoint may look at of a fault, in numbers: this is asked for every MMIO exit while one is armed. */
export interface MmioFaultFacts {
  readonly vcpuId?: number;
  readonly gvaLo?: number;
  readonly gvaHi?: number;
  readonly gpaLo: number;
  readonly gpaHi: number;
  /** 0 read, 1 write, 2 fetch. */
  readonly access: number;
  /** Index into MMIO_OUTCOMES. */
  readonly outcome: number;
  /** −1 when no MMIO spte was found. */
  readonly spteGen: number;
  readonly kvmGen: number;
}

/** What was compiled of a breakpoint's texts. */
export interface CompiledTexts {
  readonly condition: CompiledExpression | undefined;
  readonly template: LogTemplate | undefined;
  readonly problem: string | undefined;
}

export type BreakpointOptions = Partial<Omit<BreakpointWish, 'spec'>>;

export interface BreakpointChanges {
  readonly spec?: BreakpointSpec | undefined;
  readonly enabled?: boolean | undefined;
  readonly once?: boolean | undefined;
  readonly stopAtHit?: number | undefined;
  readonly hitMode?: HitMode | undefined;
  readonly condition?: string | undefined;
  readonly log?: string | undefined;
  /** −1 = any. */
  readonly vcpu?: number | undefined;
}

/** The machine is to stand still. */
export interface BreakpointStop {
  readonly id: number;
  /** The condition could not be evaluated: why. */
  readonly problem: string | undefined;
}

/** An MMIO breakpoint as the hot path compares it: a gpa has at most 52 bits and is exact in a double. */
interface MmioMatcher {
  readonly start: number;
  readonly end: number;
  /** −1 any, 0 read, 1 write. */
  readonly access: number;
  /** Bit per outcome. */
  readonly outcomes: number;
  /** −1 any, 0 fresh, 1 stale. */
  readonly freshness: number;
}

export interface BreakpointEntry {
  readonly id: number;
  spec: BreakpointSpec;
  matcher: MmioMatcher | undefined;
  enabled: boolean;
  once: boolean;
  stopAtHit: number;
  hitMode: HitMode;
  condition: string;
  log: string;
  vcpu: number | undefined;
  texts: CompiledTexts;
  hits: number;
}

const NO_TEXTS: CompiledTexts = { condition: undefined, template: undefined, problem: undefined };

export class BreakpointTable {
  readonly book = new BreakpointLogBook();
  /** Asked for values by conditions and log texts. */
  machine: Machine | undefined;
  #entries: BreakpointEntry[] = [];
  #armedMmio: BreakpointEntry[] = [];
  #nextId = 1;
  #changes = 0;

  add(spec: BreakpointSpec, options: BreakpointOptions = {}, texts = NO_TEXTS): BreakpointSnapshot {
    const { enabled = true, once = false, stopAtHit = 1, hitMode = 'from', condition = '', log = '', vcpu } = options;
    const matcher = matcherOf(spec);
    const id = this.#nextId;
    const entry = { id, spec, matcher, enabled, once, stopAtHit, hitMode, condition, log, vcpu, texts, hits: 0 };
    this.#nextId += 1;
    this.#entries.push(entry);
    this.#rearm();
    return snapshotOf(entry);
  }

  /** A changed place or condition is another breakpoint: its hits start again. */
  update(id: number, changes: BreakpointChanges, texts?: CompiledTexts): BreakpointSnapshot | undefined {
    const entry = this.entry(id);
    if (entry === undefined) return undefined;
    if (changes.spec !== undefined) {
      entry.spec = changes.spec;
      entry.matcher = matcherOf(changes.spec);
      entry.hits = 0;
    }
    if (changes.condition !== undefined && changes.condition !== entry.condition) entry.hits = 0;
    entry.enabled = changes.enabled ?? entry.enabled;
    entry.once = changes.once ?? entry.once;
    entry.stopAtHit = changes.stopAtHit ?? entry.stopAtHit;
    entry.hitMode = changes.hitMode ?? entry.hitMode;
    entry.condition = changes.condition ?? entry.condition;
    entry.log = changes.log ?? entry.log;
    if (changes.vcpu !== undefined) entry.vcpu = changes.vcpu < 0 ? undefined : changes.vcpu;
    entry.texts = texts ?? entry.texts;
    this.#rearm();
    return snapshotOf(entry);
  }

  remove(id: number): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => entry.id !== id);
    this.#rearm();
    return this.#entries.length !== before;
  }

  /** Before those of a saved session are set. */
  clear(): void {
    this.#entries = [];
    this.#rearm();
  }

  /** The hits that a breakpoint had when it was saved. */
  restoreHits(id: number, hits: number): void {
    const entry = this.entry(id);
    if (entry !== undefined) entry.hits = hits;
  }

  /** How often the list has become another, whoever changed it. */
  get changes(): number {
    return this.#changes;
  }

  get size(): number {
    return this.#entries.length;
  }

  entry(id: number): BreakpointEntry | undefined {
    return this.#entries.find((candidate) => candidate.id === id);
  }

  get entries(): readonly BreakpointEntry[] {
    return this.#entries;
  }

  list(): readonly BreakpointSnapshot[] {
    return this.#entries.map(snapshotOf);
  }

  /** Hit counts and lines start again, as they do with a machine that starts again. */
  forgetHits(): void {
    for (const entry of this.#entries) entry.hits = 0;
    this.book.clear();
  }

  armed(kind: BreakpointKind): boolean {
    return this.#entries.some((entry) => entry.enabled && entry.spec.kind === kind);
  }

  /** Addresses of enabled breakpoints on one linear address, each once. */
  execAddresses(): readonly bigint[] {
    const addresses = this.#entries.flatMap(({ enabled, spec }) =>
      enabled && spec.kind === 'exec' && isExactExec(spec) ? [spec.address] : [],
    );
    return [...new Set(addresses)];
  }

  /** Enabled breakpoints on execution by gpa or in a range. */
  placedExecs(): readonly ExecSpec[] {
    return this.#entries.flatMap(({ enabled, spec }) =>
      enabled && spec.kind === 'exec' && !isExactExec(spec) ? [spec] : [],
    );
  }

  /** The breakpoint to show in the gutter of an address, enabled or not. */
  execAt(address: bigint): number | undefined {
    return this.#entries.find(({ spec }) => spec.kind === 'exec' && spec.space !== 'gpa' && covers(spec, address))?.id;
  }

  get mmioArmed(): boolean {
    return this.#armedMmio.length > 0;
  }

  /** Counts the arrival at an address. @returns the breakpoint that stops here, or undefined to go on */
  hitExec(address: bigint, vcpu = 0, gpaOf: () => bigint | undefined = () => undefined): BreakpointStop | undefined {
    const event: MachineEvent = { kind: 'exec', vcpu, values: [address] };
    return this.#meet(event, ({ spec }) => {
      if (spec.kind !== 'exec') return false;
      if (spec.space !== 'gpa') return covers(spec, address);
      const gpa = gpaOf();
      return gpa !== undefined && covers(spec, gpa);
    });
  }

  /** Counts an MMIO fault that is about to be handled. Allocates nothing while none matches. */
  hitMmio(fault: MmioFaultFacts): BreakpointStop | undefined {
    const gpa = (fault.gpaHi >>> 0) * TWO_32 + (fault.gpaLo >>> 0);
    const freshness = fault.spteGen < 0 ? -2 : fault.spteGen === fault.kvmGen ? 0 : 1;
    let event: MachineEvent | undefined;
    let stop: BreakpointStop | undefined;
    for (let i = 0; i < this.#armedMmio.length; i++) {
      const entry = this.#armedMmio[i];
      const { matcher } = entry;
      if (matcher === undefined || !matches(matcher, gpa, fault.access, fault.outcome, freshness)) continue;
      event ??= mmioEvent(fault, this.machine);
      const one = this.#count(entry, event);
      stop ??= one;
    }
    return this.#once(stop);
  }

  /** Counts any other event. */
  hit(event: MachineEvent): BreakpointStop | undefined {
    return this.#meet(event, ({ spec }) => spec.kind === event.kind && eventMatches(spec, event));
  }

  /** Counts an event for one breakpoint that is known to match. */
  hitEntry(entry: BreakpointEntry, event: MachineEvent): BreakpointStop | undefined {
    return entry.enabled ? this.#once(this.#count(entry, event)) : undefined;
  }

  #meet(event: MachineEvent, isFor: (entry: BreakpointEntry) => boolean): BreakpointStop | undefined {
    let stop: BreakpointStop | undefined;
    for (const entry of this.#entries) {
      if (!entry.enabled || !isFor(entry)) continue;
      // All of them count; the oldest one that stops is the reason.
      const one = this.#count(entry, event);
      stop ??= one;
    }
    return this.#once(stop);
  }

  #count(entry: BreakpointEntry, event: MachineEvent): BreakpointStop | undefined {
    if (entry.vcpu !== undefined && entry.vcpu !== event.vcpu) return undefined;
    const { condition, template, problem } = entry.texts;
    if (problem !== undefined) return { id: entry.id, problem };
    const values = condition === undefined && template === undefined ? undefined : this.#values(event, entry.hits);
    if (condition !== undefined && values !== undefined) {
      const asked = askExpression(condition, values);
      if (!asked.ok) return { id: entry.id, problem: `its condition has no value: ${asked.error.message}` };
      if (asked.value.value === 0n) return undefined;
    }
    entry.hits += 1;
    if (!isDue(entry)) return undefined;
    if (template === undefined || values === undefined) return { id: entry.id, problem: undefined };
    this.#write(entry, event, fillLogTemplate(template, values));
    if (entry.once) this.#disable(entry);
    return undefined;
  }

  /** User space has no registers: those of the boot vCPU stand for it. */
  #values(event: MachineEvent, hits: number): Values | undefined {
    const { machine } = this;
    if (machine === undefined) return undefined;
    return machineValues(machine, Math.max(0, event.vcpu), hits, ({ name }) => fieldOf(event, name));
  }

  #write(entry: BreakpointEntry, event: MachineEvent, text: string): void {
    const insns = this.machine === undefined ? 0 : retiredByAll(this.machine.arena);
    this.book.write({ insns, vcpu: event.vcpu, breakpoint: entry.id, text });
  }

  #once(stop: BreakpointStop | undefined): BreakpointStop | undefined {
    const entry = stop === undefined ? undefined : this.entry(stop.id);
    if (entry?.once === true) this.#disable(entry);
    return stop;
  }

  #disable(entry: BreakpointEntry): void {
    entry.enabled = false;
    this.#rearm();
  }

  #rearm(): void {
    this.#changes += 1;
    this.#armedMmio = this.#entries.filter((entry) => entry.enabled && entry.matcher !== undefined);
  }
}

/** MmioFaultFacts.access of a write. */
const WRITE = 1;

const covers = (spec: ExecSpec, address: bigint): boolean =>
  address >= spec.address && address < spec.address + (spec.length ?? 1n);

function isDue({ hitMode, hits, stopAtHit }: BreakpointEntry): boolean {
  switch (hitMode) {
    case 'from':
      return hits >= stopAtHit;
    case 'at':
      return hits === stopAtHit;
    case 'every':
      return hits % stopAtHit === 0;
  }
}

function mmioEvent(fault: MmioFaultFacts, machine: Machine | undefined): MachineEvent {
  const gpa = u64FromHalves(fault.gpaLo, fault.gpaHi);
  const gva = u64FromHalves(fault.gvaLo ?? 0, fault.gvaHi ?? 0);
  const u64 = (value: number): bigint => BigInt.asUintN(64, BigInt(value));
  const { access, outcome, spteGen, kvmGen } = fault;
  const claim = machine === undefined ? 0n : claimOf(machine, gpa, access, outcome);
  const values = [gva, gpa, gpa >> 12n, BigInt(access), BigInt(outcome), u64(spteGen), u64(kvmGen), claim];
  return { kind: 'mmio', vcpu: fault.vcpuId ?? 0, values };
}

/**
 * The index of CLAIM_WORDS: a fault that is tried again, is a bug or finds memory after all gets to no device. Memory of a
 * read-only slot is there for reads; what is written goes to user space.
 */
function claimOf({ arena, devices }: Machine, gpa: bigint, access: number, outcome: number): bigint {
  const word = MMIO_OUTCOMES[outcome];
  if (word === 'RETRY' || word === 'BUG') return 0n;
  const target = resolveGpa(arena, gpa);
  if (target.kind === 'ram' && (access !== WRITE || !memslotIsReadonly(arena, target.slot))) return 0n;
  return devices.bus.mmioDeviceAt(gpa) === undefined ? 2n : 1n;
}

function matches(matcher: MmioMatcher, gpa: number, access: number, outcome: number, freshness: number): boolean {
  return (
    gpa >= matcher.start &&
    gpa < matcher.end &&
    (matcher.access === -1 || matcher.access === access) &&
    (matcher.outcomes & (1 << outcome)) !== 0 &&
    (matcher.freshness === -1 || matcher.freshness === freshness)
  );
}

function matcherOf(spec: BreakpointSpec): MmioMatcher | undefined {
  if (spec.kind !== 'mmio') return undefined;
  const outcomes = spec.outcomes.length === 0 ? MMIO_OUTCOMES : spec.outcomes;
  return {
    start: Number(spec.start),
    end: Number(spec.start + spec.length),
    access: { any: -1, read: 0, write: 1 }[spec.access],
    outcomes: outcomes.reduce((bits, outcome) => bits | (1 << MMIO_OUTCOMES.indexOf(outcome)), 0),
    freshness: { any: -1, fresh: 0, stale: 1 }[spec.freshness],
  };
}

const snapshotOf = (entry: BreakpointEntry): BreakpointSnapshot => ({
  id: entry.id,
  spec: entry.spec,
  enabled: entry.enabled,
  once: entry.once,
  hits: entry.hits,
  stopAtHit: entry.stopAtHit,
  hitMode: entry.hitMode,
  condition: entry.condition,
  log: entry.log,
  vcpu: entry.vcpu,
  problem: entry.texts.problem,
  text: breakpointText(entry.spec),
});
