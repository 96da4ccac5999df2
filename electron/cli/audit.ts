/** `umbra audit IMAGE`: runs a guest and holds the MMU against its invariants every so many instructions. */
import type { Command } from 'commander';
import type { HostPages } from '../../core/base/host-pages.ts';
import type { Era, MmuMode } from '../../core/base/machine-modes.ts';
import { TRACEPOINTS } from '../../core/base/tracepoints.ts';
import type { SlotStep } from '../../core/format/slot-script.ts';
import { auditMmu } from '../../core/kvm/audit/audit.ts';
import { setTraceEnabled } from '../../core/kvm/index.ts';
import { createMachine, type Machine, type MachineStop } from '../../core/machine/index.ts';
import { allocateArena } from '../host/arena-memory.ts';
import { violationJson, violationLines } from './audit-text.ts';
import type { CliIo } from './cli-io.ts';
import { CliFailure, STATUS_FAILED, STATUS_MACHINE, STATUS_OK } from './exit-status.ts';
import { readImage } from './image-file.ts';
import { parseInsns } from './options.ts';
import { machineOptions } from './run.ts';
import { readSlotEdits } from './slot-edits.ts';

export interface AuditRunOptions {
  readonly mem: number;
  readonly mmu: MmuMode;
  readonly era: Era;
  readonly maxphyaddr: number;
  readonly mmuPages: number;
  readonly hostPages: HostPages;
  readonly eptAd: 'on' | 'off';
  readonly append: string;
  readonly slots: string | undefined;
  readonly every: number;
  readonly maxInsns: number;
  readonly strict: boolean;
  readonly json: boolean;
}

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

export async function auditGuest(image: string, options: AuditRunOptions, io: CliIo): Promise<number> {
  const machine = machineOf(image, options);
  const run = new AuditRun(machine, options, options.slots === undefined ? [] : readSlotEdits(options.slots));
  const stop = run.toEnd((line) => (options.json ? undefined : io.complain(line)));
  const failures = options.strict ? run.violations + run.eraBugs : run.violations;
  const ended = stop.kind === 'error' ? stop.message : stop.kind;
  if (options.json) {
    const { audits, violations, eraBugs, found, looked } = run;
    const summary = { audits, insns: machine.insns, ended, violations, eraBugs, looked, found };
    await io.write(`${JSON.stringify(summary)}\n`);
  } else {
    const { pages, leaves, mmioSptes } = run.looked;
    await io.write(
      `${run.audits} audits over ${machine.insns} instructions (${ended}); at the end ${pages} shadow pages, ` +
        `${leaves} leaves, ${mmioSptes} MMIO sptes: ${run.violations} violations, ${run.eraBugs} findings that are ` +
        `${options.era}'s own bugs\n`,
    );
  }
  if (stop.kind === 'error') return STATUS_MACHINE;
  return failures === 0 ? STATUS_OK : STATUS_FAILED;
}

function machineOf(image: string, options: AuditRunOptions): Machine {
  const file = readImage(image);
  const made = createMachine(
    {
      ramBytes: options.mem,
      mmu: options.mmu,
      era: options.era,
      maxPhyAddr: options.maxphyaddr,
      mmuPages: options.mmuPages,
      hostPages: options.hostPages,
      eptAd: options.eptAd === 'on',
    },
    allocateArena,
  );
  if (!made.ok) throw new CliFailure(made.error.message);
  const loaded = made.value.loadImage(file.bytes, file.name, options.append);
  if (!loaded.ok) throw new CliFailure(loaded.error.message);
  // What a finding is told with: all that the MMU and the memslots do.
  for (const { id, system } of TRACEPOINTS) if (system !== 'kvm') setTraceEnabled(made.value.arena, id, true);
  return made.value;
}

class AuditRun {
  audits = 0;
  violations = 0;
  eraBugs = 0;
  looked = { pages: 0, leaves: 0, links: 0, mmioSptes: 0 };
  readonly found: Readonly<Record<string, unknown>>[] = [];
  readonly #machine: Machine;
  readonly #options: AuditRunOptions;
  readonly #edits: readonly SlotStep[];
  #nextEdit = 0;
  /** What has been told: the same fault is found at every audit from then on. */
  readonly #told = new Set<string>();

  constructor(machine: Machine, options: AuditRunOptions, edits: readonly SlotStep[]) {
    this.#machine = machine;
    this.#options = options;
    this.#edits = edits;
  }

  toEnd(tell: (line: string) => void): MachineStop {
    const machine = this.#machine;
    const { every, maxInsns } = this.#options;
    for (;;) {
      this.#applyDueEdits();
      const next = Math.min(maxInsns, (Math.floor(machine.insns / every) + 1) * every, this.#nextEditAt());
      const stop = machine.run(next - machine.insns);
      this.#audit(tell);
      if (stop.kind !== 'budget' || machine.insns >= maxInsns) return stop;
    }
  }

  #audit(tell: (line: string) => void): void {
    const machine = this.#machine;
    const { violations, ...looked } = auditMmu(machine.vm.mmu);
    this.audits += 1;
    this.looked = looked;
    for (const violation of violations) {
      const name = `${violation.rule} ${violation.sptep ?? ''} ${violation.text}`;
      if (this.#told.has(name)) continue;
      this.#told.add(name);
      if (violation.eraBug === undefined) this.violations += 1;
      else this.eraBugs += 1;
      for (const line of violationLines(machine.insns, violation)) tell(line);
      this.found.push(violationJson(machine.insns, violation));
    }
  }

  #nextEditAt(): number {
    return this.#edits.at(this.#nextEdit)?.at ?? Infinity;
  }

  /** Refused calls change nothing, as they would on a host; `umbra run --slots` says why. */
  #applyDueEdits(): void {
    const { vm, insns } = this.#machine;
    while (this.#nextEditAt() <= insns) {
      const { action } = this.#edits[this.#nextEdit];
      this.#nextEdit += 1;
      if (action.kind === 'set') vm.setUserMemoryRegion(action.region);
      else if (action.kind === 'dirty-log') vm.getDirtyLog(action.slot);
      else if (action.kind === 'generation') vm.setMemslotsGeneration(action.generation);
      else
        vm.setUserMemoryRegion({ slot: action.slot, flags: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: 0n });
    }
  }
}
