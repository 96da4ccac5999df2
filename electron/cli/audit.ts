/** `umbra audit IMAGE`: runs a guest and holds the MMU against its invariants every so many instructions. */
import type { Command } from 'commander';
import { TRACEPOINTS } from '../../core/base/tracepoints.ts';
import { auditedText, violationJson, violationLines } from '../../core/format/audit-text.ts';
import type { SlotStep } from '../../core/format/slot-script.ts';
import { describeStop } from '../../core/format/stop-reason.ts';
import type { MachineStatus } from '../../core/protocol/snapshots.ts';
import type { CliIo } from './cli-io.ts';
import { EngineSession } from './engine-session.ts';
import { STATUS_FAILED, STATUS_MACHINE, STATUS_OK } from './exit-status.ts';
import { readImage } from './image-file.ts';
import { machineCreateOptions, machineOptions, type MachineRunOptions } from './machine-options.ts';
import { parseInsns } from './options.ts';
import { applySlotEdit, readSlotEdits } from './slot-edits.ts';

interface AuditRunOptions extends MachineRunOptions {
  readonly slots: string | undefined;
  readonly every: number;
  readonly maxInsns: number;
  readonly strict: boolean;
  readonly json: boolean;
}

/** Findings told of one audit. */
const LIMIT = 100;

const HELP = `
Every rule that is broken is told with the spte, its fields, the page it stands in and the last events that touched it.
What the era of --era does wrong by itself is told as that era's bug, and is no failure unless --strict is given.

Exit status:
  0 when no rule is broken, 1 when one is, 2 bad usage, 3 when the machine stopped on an error of its own.`;

export function registerAudit(program: Command, io: CliIo, finish: (status: number) => void): void {
  machineOptions(
    program
      .command('audit')
      .summary("run a guest and check the MMU's invariants as it goes")
      .description(
        'Runs a guest and checks after every so many instructions, and at the end, that shadow pages, reverse maps, write\n' +
          'protection, large-page accounting and MMIO sptes are what KVM says they are at all times (see mmu_audit).',
      )
      .argument('<image>', 'a multiboot ELF or flat binary, or a guest of the program'),
  )
    .option('--slots <script>', 'apply the memslot calls of a script, each at its instruction count (see: umbra slots)')
    .option('--every <n>', 'audit after every N instructions', parseInsns, 100_000)
    .option('--max-insns <n>', 'end after so many instructions', parseInsns, 50_000_000)
    .option('--strict', "count the era's own bugs as failures", false)
    .option('--json', 'one JSON object on standard output', false)
    .addHelpText('after', HELP)
    .action(async (image: string, options: AuditRunOptions) => finish(await auditGuest(image, options, io)));
}

async function auditGuest(image: string, options: AuditRunOptions, io: CliIo): Promise<number> {
  const edits = options.slots === undefined ? [] : readSlotEdits(options.slots);
  const engine = machineOf(image, options, io);
  const run = new AuditRun(engine, options, edits);
  const { reason, state, moment } = run.toEnd((line) => (options.json ? undefined : io.complain(line)));
  const failures = options.strict ? run.violations + run.eraBugs : run.violations;
  const ended = run.isStarved ? 'halted, waiting for input' : describeStop(reason) || state;
  if (options.json) {
    const { audits, violations, eraBugs, found, looked } = run;
    const summary = { audits, insns: moment.insns, ended, violations, eraBugs, looked, found };
    await io.write(`${JSON.stringify(summary)}\n`);
  } else {
    await io.write(
      `${run.audits} audits over ${moment.insns} instructions (${ended}); at the end ${auditedText(run.looked)}: ` +
        `${run.violations} violations, ${run.eraBugs} findings that are ${options.era}'s own bugs\n`,
    );
  }
  if (reason.kind === 'error') return STATUS_MACHINE;
  return failures === 0 ? STATUS_OK : STATUS_FAILED;
}

function machineOf(image: string, options: AuditRunOptions, io: CliIo): EngineSession {
  const file = readImage(image);
  const engine = new EngineSession((event) => {
    if (event.kind === 'log' && event.level === 'error') io.complain(`umbra: ${event.text}`);
  });
  engine.ask('machine.create', { image: file.bytes, name: file.name, options: machineCreateOptions(options) });
  // What a finding is told with: all that the MMU and the memslots do.
  engine.ask('trace.enable', { events: TRACEPOINTS.filter(({ system }) => system !== 'kvm').map(({ name }) => name) });
  return engine;
}

class AuditRun {
  audits = 0;
  violations = 0;
  eraBugs = 0;
  /** The guest was left waiting for input, and nobody types. */
  isStarved = false;
  looked = { pages: 0, leaves: 0, links: 0, mmioSptes: 0 };
  readonly found: Readonly<Record<string, unknown>>[] = [];
  readonly #engine: EngineSession;
  readonly #options: AuditRunOptions;
  readonly #edits: readonly SlotStep[];
  #nextEdit = 0;
  /** What has been told: the same fault is found at every audit from then on. */
  readonly #told = new Set<string>();

  constructor(engine: EngineSession, options: AuditRunOptions, edits: readonly SlotStep[]) {
    this.#engine = engine;
    this.#options = options;
    this.#edits = edits;
  }

  toEnd(tell: (line: string) => void): MachineStatus {
    const engine = this.#engine;
    const { every, maxInsns } = this.#options;
    for (;;) {
      const { insns } = engine.ask('machine.status', {}).moment;
      this.#applyDueEdits(insns);
      const next = Math.min(maxInsns, (Math.floor(insns / every) + 1) * every, this.#nextEditAt());
      const status = engine.runToStop(next);
      this.isStarved = status.state === 'running';
      if (this.isStarved) engine.ask('run.pause', {});
      this.#audit(status.moment.insns, tell);
      if (this.isStarved || status.reason.kind !== 'paused' || status.moment.insns >= maxInsns) return status;
    }
  }

  #audit(insns: number, tell: (line: string) => void): void {
    const { violations, omitted: _omitted, ...looked } = this.#engine.ask('audit.run', { limit: LIMIT }).report;
    this.audits += 1;
    this.looked = looked;
    for (const violation of violations) {
      const name = `${violation.rule} ${violation.sptep ?? ''} ${violation.text}`;
      if (this.#told.has(name)) continue;
      this.#told.add(name);
      if (violation.eraBug === undefined) this.violations += 1;
      else this.eraBugs += 1;
      for (const line of violationLines(insns, violation)) tell(line);
      this.found.push(violationJson(insns, violation));
    }
  }

  #nextEditAt(): number {
    return this.#edits.at(this.#nextEdit)?.at ?? Infinity;
  }

  /** Refused calls change nothing, as they would on a host; `umbra run --slots` says why. */
  #applyDueEdits(insns: number): void {
    while (this.#nextEditAt() <= insns) {
      applySlotEdit(this.#engine, this.#edits[this.#nextEdit]);
      this.#nextEdit += 1;
    }
  }
}
