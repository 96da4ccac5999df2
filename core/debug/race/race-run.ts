/**
 * Carries a race script out, line after line, and says of each what came of it. Holding a vCPU is a matter of the call stack:
 * while it stands inside its fault, the lines up to its `release` are carried out underneath, so the last one held is the
 * first one released.
 */
import type { Era } from '../../base/machine-modes.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { eraHasMmioGeneration, generationRefusal, generationsPerInstall, generationsToWrap } from '../../kvm/eras.ts';
import type { MemslotStep, MemslotUpdate } from '../../kvm/memslots/memslot-update.ts';
import { bugStrikes, KVM_BUGS, type KvmBugId } from '../../kvm/mmio/mmio-bugs.ts';
import { countMmioSptes } from '../../kvm/index.ts';
import type { RaceLineOutcome } from '../../protocol/snapshots.ts';
import { RaceBench, regionOf, type RaceHost, type RaceResult } from './race-bench.ts';
import type { RaceAction, RaceLine, RaceOutcome, RaceRegion, RaceScript } from './race-script.ts';

/** What came of one line; bugs are names for people only in the contract. */
export interface RaceEvent extends Omit<RaceLineOutcome, 'bugs'> {
  readonly bugs: readonly KvmBugId[];
}

export interface RaceReport {
  readonly title: string;
  readonly era: Era;
  readonly events: readonly RaceEvent[];
  readonly strikes: Readonly<Record<KvmBugId, number>>;
  /** What is not as the script says it must be in this era; empty when all is. */
  readonly failures: readonly string[];
}

export interface RaceRunError {
  readonly line: number;
  readonly message: string;
}

/** Ends a run whose script asks for what cannot be. */
class Impossible extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** A counter drifts whenever a generation has a certain bit: no race, and none of a script's business. */
export const RACE_BUGS: readonly KvmBugId[] = KVM_BUGS.map(({ id }) => id).filter((id) => id !== 'largepages-drift');

export function runRace(script: RaceScript, host: RaceHost): Result<RaceReport, RaceRunError> {
  const run = new RaceRun(script, host);
  try {
    return ok(run.toEnd());
  } catch (error) {
    if (!(error instanceof Impossible)) throw error;
    return err({ line: error.line, message: error.message });
  }
}

class RaceRun {
  private readonly script: RaceScript;
  private readonly host: RaceHost;
  private readonly bench: RaceBench;
  private readonly events: RaceEvent[] = [];
  private readonly failures: string[] = [];
  private readonly outcomes = new Map<number, RaceOutcome>();
  /** vCPUs inside a fault, with the number of tables that were published before they left the guest. */
  private readonly held = new Map<number, number>();
  private published = 0;
  private update: MemslotUpdate | undefined;
  private next = 0;
  /** What a vCPU that was held comes to is told at the line that lets it go. */
  private released: RaceLine | undefined;

  constructor(script: RaceScript, host: RaceHost) {
    this.script = script;
    this.host = host;
    this.bench = new RaceBench({ ...host, mmu: script.mmu ?? host.mmu }, script);
  }

  toEnd(): RaceReport {
    while (this.next < this.script.lines.length) this.line();
    const strikes = bugStrikes(this.bench.arena);
    for (const id of RACE_BUGS) this.checkStrikes(id, strikes[id]);
    const { title } = this.script;
    return { title, era: this.host.era, events: this.events, strikes, failures: this.failures };
  }

  private checkStrikes(id: KvmBugId, count: number): void {
    const { era } = this.host;
    const expected = this.script.strikes.get(id)?.includes(era) === true;
    if (expected === count > 0) return;
    this.failures.push(
      expected ? `${id} should strike in ${era} and did not` : `${id} struck in ${era}, which does not have it`,
    );
  }

  private line(): void {
    const line = this.script.lines[this.next];
    this.next += 1;
    const at = this.events.length;
    const logged = this.bench.log.length;
    const struck = bugStrikes(this.bench.arena);
    const what = this.carryOut(line, line.action);
    const inner = this.events.slice(at);
    const log = this.bench.log.slice(logged + inner.reduce((sum, event) => sum + event.log.length, 0));
    const after = bugStrikes(this.bench.arena);
    const told = new Set(inner.flatMap(({ bugs }) => bugs));
    const bugs = RACE_BUGS.filter((id) => after[id] > struck[id] && !told.has(id));
    this.tell(this.released ?? line, what, log, bugs);
    this.released = undefined;
  }

  private tell(line: RaceLine, what: string, log: readonly string[], bugs: readonly KvmBugId[]): void {
    const { update, bench } = this;
    const { fresh, stale } = countMmioSptes(bench.arena);
    this.events.push({
      line: line.line,
      command: line.text,
      what,
      log,
      bugs,
      memslotsGeneration: bench.vm.memslotsGeneration(),
      mmioSptes: { fresh, stale },
      held: [...this.held.keys()],
      update: update && {
        change: update.change,
        steps: update.names.map((name, i) => ({ name, isDone: i < update.taken })),
      },
    });
  }

  private carryOut(line: RaceLine, action: RaceAction): string {
    switch (action.kind) {
      case 'access':
      case 'run':
        return this.vcpu(line, action);
      case 'flush': {
        const { insns } = this.bench.flush(action.vcpu, action.flush);
        return insns > 0 ? 'the guest has its tables read anew' : 'the vCPU made no progress';
      }
      case 'program':
        this.bench.program(action.vcpu, action.accesses);
        return 'written';
      case 'release':
        return 'was not held: it never came to that place';
      case 'slot': {
        const change = this.begin(line, action.region);
        const update = change.finish();
        this.published += update.generationAfter === update.generationBefore ? 0 : 1;
        return `${update.change}: memslots generation ${hex(update.generationBefore)} → ${hex(update.generationAfter)}`;
      }
      case 'begin':
        this.update = this.begin(line, action.region);
        return `${this.update.change}: nothing published yet`;
      case 'step':
        return this.stepTo(line, action.step);
      case 'finish':
        return this.finish(line);
      case 'generation':
        return this.generation(line, action.value);
      case 'expect':
        return this.expect(line, action.vcpu, action.outcome, action.eras);
    }
  }

  private vcpu(line: RaceLine, action: Extract<RaceAction, { kind: 'access' | 'run' }>): string {
    const { vcpu, hold } = action;
    const wish = hold && { point: hold, meanwhile: () => this.whileHeld(line, vcpu, hold) };
    const result =
      action.kind === 'access'
        ? this.bench.access(vcpu, action.access, wish)
        : this.bench.run(vcpu, action.insns, wish);
    this.outcomes.set(vcpu, result.outcome);
    return describe(result);
  }

  /** The lines up to the release. */
  private whileHeld(line: RaceLine, vcpu: number, point: string): void {
    this.held.set(vcpu, this.published);
    const what =
      point === 'exit'
        ? 'held: the processor has left the guest'
        : 'held: the memslots are read, mmu_lock is not taken';
    this.tell(line, what, [], []);
    for (;;) {
      const { action } = this.script.lines[this.next];
      if (action.kind === 'release' && action.vcpu === vcpu) break;
      this.line();
    }
    this.released = this.script.lines[this.next];
    this.next += 1;
    this.held.delete(vcpu);
  }

  private begin(line: RaceLine, region: RaceRegion): MemslotUpdate {
    const begun = this.bench.vm.beginMemslotUpdate(regionOf(region));
    if (!begun.ok) throw new Impossible(line.line, `${begun.error.errno}: ${begun.error.message}`);
    this.mayDrain(line, begun.value, undefined);
    return begun.value;
  }

  /** A call as a whole waits for readers too: nobody may be held meanwhile. */
  private mayDrain(line: RaceLine, update: MemslotUpdate, next: MemslotStep | undefined): void {
    const whole = next === undefined;
    if (whole && (line.action.kind !== 'slot' || update.change === 'NONE')) return;
    for (const [vcpu, published] of this.held) {
      if (!whole && published >= this.published) continue;
      const why = 'it is held since before the table was published, and may read the old one still';
      throw new Impossible(line.line, `synchronize_srcu_expedited would wait for vCPU ${vcpu}: ${why}`);
    }
  }

  private oneStep(line: RaceLine, update: MemslotUpdate): void {
    const { next } = update;
    if (next === 'drained' || next === 'invalid-drained') this.mayDrain(line, update, next);
    update.step();
    if (next === 'installed' || next === 'invalid-installed') this.published += 1;
  }

  private stepTo(line: RaceLine, step: MemslotStep): string {
    const { update } = this;
    if (update === undefined) throw new Impossible(line.line, 'no update has begun');
    const taken: string[] = [];
    while (taken.at(-1) !== step) {
      const { next } = update;
      if (next === undefined) {
        throw new Impossible(line.line, `this ${update.change} has no step '${step}' any more in ${this.host.era}`);
      }
      this.oneStep(line, update);
      taken.push(next);
    }
    return `${taken.join(', ')}: memslots generation ${hex(this.bench.vm.memslotsGeneration())}`;
  }

  private finish(line: RaceLine): string {
    const { update } = this;
    if (update === undefined) throw new Impossible(line.line, 'no update has begun');
    while (update.next !== undefined) this.oneStep(line, update);
    this.update = undefined;
    const { change, generationBefore, generationAfter } = update.report();
    return `${change}: memslots generation ${hex(generationBefore)} → ${hex(generationAfter)}`;
  }

  private generation(line: RaceLine, value: bigint | 'before-wrap'): string {
    const { era } = this.host;
    if (!eraHasMmioGeneration(era)) return `${era} keeps no generation in its sptes: nothing to set`;
    const generation = value === 'before-wrap' ? generationBeforeWrap(era) : value;
    const refusal = generationRefusal(era, generation);
    if (refusal !== undefined) throw new Impossible(line.line, refusal);
    this.bench.vm.setMemslotsGeneration(generation);
    return `memslots generation ${hex(generation)}, as if so many changes had happened`;
  }

  private expect(line: RaceLine, vcpu: number, outcome: RaceOutcome, eras: readonly Era[]): string {
    const { era } = this.host;
    if (!eras.includes(era)) return `of other kernels, not of ${era}`;
    const found = this.outcomes.get(vcpu);
    if (found === undefined) throw new Impossible(line.line, `vCPU ${vcpu} has done nothing yet`);
    if (found === outcome) return 'so it is';
    this.failures.push(`line ${line.line}: vCPU ${vcpu}'s access came to '${found}' in ${era}, not to '${outcome}'`);
    return `it is not so: '${found}'`;
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

const OUTCOME_WORDS: Readonly<Record<RaceOutcome, string>> = {
  ram: 'served from RAM',
  mmio: 'served as MMIO',
  again: 'faults again and again: the guest makes no progress',
  stopped: 'the VM stopped',
};

function describe({ outcome, faults, why, held, insns }: RaceResult): string {
  const way = faults.length === 0 ? '' : ` (${faults.join(', ')})`;
  const words = `${OUTCOME_WORDS[outcome]}${way}${why === '' ? '' : `: ${why}`}`;
  const count = insns > 1 ? `${insns} instructions, ` : '';
  return `${held ? 'released: ' : ''}${count}${words}`;
}

/** The last memslots generation before the wrap-around: the next table that is installed meets it. */
export const generationBeforeWrap = (era: Era): bigint =>
  BigInt((generationsToWrap(era, 0n) - 1) * generationsPerInstall(era));
