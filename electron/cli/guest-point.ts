/** A guest run to a point and held there, for commands that look at it: `umbra walk`, `umbra rmap`. */
import { Option, type Command } from 'commander';
import type { MachineStatus } from '../../core/protocol/snapshots.ts';
import { describeStop } from '../../core/format/stop-reason.ts';
import { parseBreakSpec } from '../../core/format/break-spec.ts';
import type { CliIo } from './cli-io.ts';
import { EngineSession } from './engine-session.ts';
import { CliFailure } from './exit-status.ts';
import { readImage } from './image-file.ts';
import { collect, integerIn, parseInsns } from './options.ts';
import { afterInsns } from './run-summary.ts';
import { machineCreateOptions, machineOptions, type MachineRunOptions } from './machine-options.ts';
import { applySlotEdit, readSlotEdits } from './slot-edits.ts';

export interface GuestPointOptions extends MachineRunOptions {
  readonly atInsns: number | undefined;
  readonly break: readonly string[];
  readonly slots: string | undefined;
  readonly vcpu: number;
  readonly json: boolean;
}

/** Where a guest that is told nothing is held, should it not end before. */
const DEFAULT_INSNS = 10_000_000;

export function guestPointOptions(command: Command): Command {
  return machineOptions(command)
    .option(
      '--at-insns <n>',
      `hold the guest after so many instructions (default: at its end, or after ${DEFAULT_INSNS})`,
      parseInsns,
    )
    .option('--break <spec>', 'hold it where SPEC says (see: umbra help run); may be given many times', collect, [])
    .option('--slots <script>', 'apply the memslot calls of a script on the way (see: umbra slots)')
    .option('--vcpu <n>', 'which vCPU is asked', integerIn(0, 7), 0)
    .addOption(new Option('--json', 'one JSON object instead of text').default(false));
}

export interface HeldGuest {
  readonly engine: EngineSession;
  readonly status: MachineStatus;
}

/** Runs the guest to the point that the options name. Its serial output goes nowhere. */
export function holdGuest(image: string, options: GuestPointOptions, io: CliIo): HeldGuest {
  const file = readImage(image);
  const edits = options.slots === undefined ? [] : readSlotEdits(options.slots);
  const engine = new EngineSession((event) => {
    if (event.kind === 'log' && event.level !== 'info') io.complain(`umbra: ${event.text}`);
  });
  engine.ask('machine.create', { image: file.bytes, name: file.name, options: machineCreateOptions(options) });
  for (const spec of options.break) {
    const parsed = parseBreakSpec(spec);
    if (!parsed.ok) throw new CliFailure(`--break ${parsed.error}`);
    engine.ask('breakpoints.add', parsed.value);
  }
  const limit = options.atInsns ?? DEFAULT_INSNS;
  for (const edit of edits) {
    if (edit.at > limit) break;
    const { reason, moment } = edit.at === 0 ? engine.ask('machine.status', {}) : engine.runToStop(edit.at);
    if (edit.at > 0 && reason.kind !== 'paused') return held(engine, io);
    io.complain(`umbra: at ${moment.insns}: ${edit.text}: ${applySlotEdit(engine, edit)}`);
  }
  engine.ask('run.continue', { untilInsns: limit });
  while (engine.running) engine.slice();
  // One that waits for input would wait for ever: nobody types.
  if (engine.ask('machine.status', {}).state === 'running') engine.ask('run.pause', {});
  return held(engine, io);
}

function held(engine: EngineSession, io: CliIo): HeldGuest {
  const status = engine.ask('machine.status', {});
  io.complain(`umbra: ${describeStop(status.reason) || status.state}, ${afterInsns(status.moment)}`);
  return { engine, status };
}
