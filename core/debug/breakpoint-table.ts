/**
 * The breakpoints of a session. They belong to the debugger, not to the machine: they live in plain objects, survive a reset
 * and leave no trace in the arena. What the processor and KVM need of them is handed down by `armed` lists.
 */
import { MMIO_OUTCOMES } from '../base/mmio-outcomes.ts';
import type { BreakpointSnapshot, BreakpointSpec } from '../protocol/snapshots.ts';
import { breakpointText } from './breakpoint-text.ts';

const TWO_32 = 0x1_0000_0000;

/** What a breakpoint may look at of a fault, in numbers: this is asked for every MMIO exit while one is armed. */
export interface MmioFaultFacts {
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

export interface BreakpointOptions {
  readonly enabled: boolean;
  readonly once: boolean;
  readonly stopAtHit: number;
}

export interface BreakpointChanges {
  readonly spec?: BreakpointSpec | undefined;
  readonly enabled?: boolean | undefined;
  readonly once?: boolean | undefined;
  readonly stopAtHit?: number | undefined;
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

interface Entry {
  readonly id: number;
  spec: BreakpointSpec;
  matcher: MmioMatcher | undefined;
  enabled: boolean;
  once: boolean;
  stopAtHit: number;
  hits: number;
}

export class BreakpointTable {
  #entries: Entry[] = [];
  #armedMmio: Entry[] = [];
  #nextId = 1;

  add(spec: BreakpointSpec, options: BreakpointOptions): BreakpointSnapshot {
    const entry: Entry = { id: this.#nextId, spec, matcher: matcherOf(spec), hits: 0, ...options };
    this.#nextId += 1;
    this.#entries.push(entry);
    this.#rearm();
    return snapshotOf(entry);
  }

  /** A changed place or condition is another breakpoint: its hits start again. */
  update(id: number, changes: BreakpointChanges): BreakpointSnapshot | undefined {
    const entry = this.#entries.find((candidate) => candidate.id === id);
    if (entry === undefined) return undefined;
    if (changes.spec !== undefined) {
      entry.spec = changes.spec;
      entry.matcher = matcherOf(changes.spec);
      entry.hits = 0;
    }
    entry.enabled = changes.enabled ?? entry.enabled;
    entry.once = changes.once ?? entry.once;
    entry.stopAtHit = changes.stopAtHit ?? entry.stopAtHit;
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
    const entry = this.#entries.find((candidate) => candidate.id === id);
    if (entry !== undefined) entry.hits = hits;
  }

  list(): readonly BreakpointSnapshot[] {
    return this.#entries.map(snapshotOf);
  }

  /** Hit counts start again, as they do with a machine that starts again. */
  forgetHits(): void {
    for (const entry of this.#entries) entry.hits = 0;
  }

  /** Addresses of enabled breakpoints on execution, each once. */
  execAddresses(): readonly bigint[] {
    const addresses = this.#entries.flatMap(({ enabled, spec }) =>
      enabled && spec.kind === 'exec' ? [spec.address] : [],
    );
    return [...new Set(addresses)];
  }

  /** The breakpoint to show in the gutter of an address, enabled or not. */
  execAt(address: bigint): number | undefined {
    return this.#entries.find(({ spec }) => spec.kind === 'exec' && spec.address === address)?.id;
  }

  get mmioArmed(): boolean {
    return this.#armedMmio.length > 0;
  }

  /** Counts the arrival at an address. @returns id of the breakpoint that stops here, or undefined to go on */
  hitExec(address: bigint): number | undefined {
    let stop: Entry | undefined;
    for (const entry of this.#entries) {
      if (!entry.enabled || entry.spec.kind !== 'exec' || entry.spec.address !== address) continue;
      entry.hits += 1;
      if (entry.hits >= entry.stopAtHit) stop ??= entry;
    }
    return this.#stopAt(stop);
  }

  /** Counts an MMIO fault that is about to be handled. Allocates nothing. @returns id of the one that stops, or 0 to go on */
  hitMmio(fault: MmioFaultFacts): number {
    const gpa = (fault.gpaHi >>> 0) * TWO_32 + (fault.gpaLo >>> 0);
    const freshness = fault.spteGen < 0 ? -2 : fault.spteGen === fault.kvmGen ? 0 : 1;
    let stop: Entry | undefined;
    for (let i = 0; i < this.#armedMmio.length; i++) {
      const entry = this.#armedMmio[i];
      const matcher = entry.matcher;
      if (matcher === undefined || !matches(matcher, gpa, fault.access, fault.outcome, freshness)) continue;
      entry.hits += 1;
      if (entry.hits >= entry.stopAtHit) stop ??= entry;
    }
    return this.#stopAt(stop) ?? 0;
  }

  #stopAt(entry: Entry | undefined): number | undefined {
    if (entry?.once === true) {
      entry.enabled = false;
      this.#rearm();
    }
    return entry?.id;
  }

  #rearm(): void {
    this.#armedMmio = this.#entries.filter((entry) => entry.enabled && entry.matcher !== undefined);
  }
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

const snapshotOf = (entry: Entry): BreakpointSnapshot => ({
  id: entry.id,
  spec: entry.spec,
  enabled: entry.enabled,
  once: entry.once,
  hits: entry.hits,
  stopAtHit: entry.stopAtHit,
  text: breakpointText(entry.spec),
});
