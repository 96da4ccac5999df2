/** `umbra run IMAGE`: a guest in this thread, its serial line on standard input and output. */
import { Option, type Command } from 'commander';
import { TRACE_WORDINGS } from '../../core/base/tracepoints.ts';
import type { TraceWording } from '../../core/format/trace-text.ts';
import { parseBreakSpec, type BreakpointWish } from '../../core/format/break-spec.ts';
import { SHIPPED_GUESTS } from '../../core/protocol/shipped-guests.ts';
import type { CliIo } from './cli-io.ts';
import { CliFailure } from './exit-status.ts';
import { guestNames, readImage } from './image-file.ts';
import { machineOptions, type MachineRunOptions } from './machine-options.ts';
import { collect, parseInsns } from './options.ts';
import { GuestRun } from './guest-run.ts';
import { readSlotEdits } from './slot-edits.ts';
import { TRACE_OPTIONS, type TraceOption } from './trace-file.ts';

export interface RunOptions extends MachineRunOptions {
  readonly break: readonly string[];
  readonly breakAction: 'stop' | 'continue';
  readonly slots: string | undefined;
  readonly maxInsns: number | undefined;
  readonly trace: string | undefined;
  readonly traceWording: TraceWording | undefined;
  readonly traceOptions: TraceOption | undefined;
  readonly json: boolean;
  readonly state: string | undefined;
  readonly turns: boolean;
  readonly saveState: string | undefined;
}

export function registerRun(program: Command, io: CliIo, finish: (status: number) => void): void {
  machineOptions(
    program
      .command('run')
      .summary('run a guest with its serial line on standard input and output')
      .description(
        'Runs a guest: what it sends on its serial line goes to standard output as it is, standard input is what it\n' +
          'receives, and everything else is said on standard error. A run is repeatable to the instruction; input from a\n' +
          'terminal or pipe enters when it comes.',
      )
      .argument('[image]', imageHelp()),
  )
    .option('--break <spec>', 'report and stop where SPEC says; may be given many times (see below)', collect, [])
    .addOption(
      new Option('--break-action <action>', 'after the report of a breakpoint: stop, or continue')
        .choices(['stop', 'continue'])
        .default('stop'),
    )
    .option('--slots <script>', 'apply the memslot calls of a script, each at its instruction count (see: umbra slots)')
    .option('--max-insns <n>', 'stop with status 124 after so many instructions (5000000, 5M)', parseInsns)
    .option('--trace <file>', 'write the kvm and kvmmmu tracepoints to a file, as ftrace prints them')
    .addOption(
      new Option(
        '--trace-wording <kernel>',
        "whose words the trace is in (default: those of the era's kernel)",
      ).choices(TRACE_WORDINGS),
    )
    .addOption(
      new Option(
        '--trace-options <option>',
        'noirq-info leaves the column of flags out, as readers of trace-cmd report want it (default: irq-info)',
      ).choices(TRACE_OPTIONS),
    )
    .option('--state <file>', 'go on from a machine state (.umbra-machine) in place of an image')
    .option('--turns', 'with --state: vCPUs take turns, though the state was saved on threads', false)
    .option('--save-state <file>', 'save the machine, where the run ends, as a machine state')
    .option('--json', 'say on the last line of standard error, as JSON, what the run came to', false)
    .addHelpText('after', RUN_HELP)
    .action(async (image: string | undefined, options: RunOptions) => finish(await runGuest(image, options, io)));
}

const imageHelp = (): string =>
  `a multiboot ELF or flat binary, or a guest of the program (${guestNames().join(', ')}); ./NAME for a file of that name`;

const GUEST_LINES = Object.entries(SHIPPED_GUESTS)
  .map(([name, { does }]) => `  ${name.padEnd(8)} ${does}`)
  .join('\n');

const RUN_HELP = `
Guests of the program:
${GUEST_LINES}
Breakpoints (--break SPEC):
  exec:PLACE[+LENGTH]                     before the instruction; PLACE is a symbol, a gva, or gpa@ and a gpa
  data:PLACE[+LENGTH] [:read|:write]      behind an access to these bytes (8 unless LENGTH says)
  mmio:GPA[+LENGTH]  mmio:any             before an MMIO fault is handled; LENGTH defaults to the rest of the page
    :read :write                            only that kind of access
    :fresh :stale                           only when the MMIO spte's generation is current, or is not
    :OUTCOME[,OUTCOME]                      only when it will come to EMULATE, INVALID, RETRY, BUG, CACHED or FIRST
  exception:any  exception:ud,13          in front of the delivery of an exception
  fault:any  fault:GVA[+LENGTH]           in front of a guest page fault  [:read|:write|:fetch] [:user|:supervisor]
                                            [:not-present|:protection|:reserved]
  port:any  port:PORT[+COUNT] [:in|:out]  before a port access
  spte:GPA [:bits=MASK] [:level=N]        when an spte for the range has changed
  gpte:GPA[+LENGTH] [:bits=MASK]          when an entry of the guest's page tables at GPA has changed
  memslot:any  memslot:SLOT [:create|:delete|:move|:flags]
  wrap:any                                when the generation goes round
  zap:any  zap:GPA [:level=N]             when a shadow page is zapped
  :once                                   only the first time
  :hit=N  :at=N  :every=N  :vcpu=N        from the Nth time on, only then, every Nth; only on that vCPU
  if EXPRESSION                           only when it holds (docs/expressions.md):
                                            --break 'port:0x3f8:out if event.value == 0x41'
  log TEXT                                does not stop: writes a line, TEXT with {EXPRESSION}s, to standard error
                                            (the first 10000 of them)
  e.g. --break exec:main --break mmio:0xfeb00000+0x1000:write:stale:INVALID

Exit status:
  the guest's own (debug-exit port 0xf4: (value << 1) | 1), 0 when it halts for good or a breakpoint stops it,
  2 bad usage or an image that cannot be loaded, 3 triple fault or the machine stopped on an error of its own,
  124 --max-insns was reached, 130 interrupted (the summary is printed all the same), 141 standard output was closed or cannot be written.`;

async function runGuest(image: string | undefined, options: RunOptions, io: CliIo): Promise<number> {
  if ((image === undefined) === (options.state === undefined)) {
    throw new CliFailure('run takes an image, or a machine state with --state: one of the two');
  }
  if (options.turns && options.state === undefined) {
    throw new CliFailure(
      '--turns is for a machine state (--state); vCPUs of an image take turns unless --threads is given',
    );
  }
  if (options.turns && options.threads) throw new CliFailure('vCPUs take --turns or have --threads: one of the two');
  const file = image === undefined ? undefined : readImage(image);
  const breakpoints = options.break.map(mustParse);
  const edits = options.slots === undefined ? [] : readSlotEdits(options.slots);
  const run = new GuestRun(io, file, breakpoints, edits, options);
  return await run.toEnd();
}

function mustParse(spec: string): BreakpointWish {
  const parsed = parseBreakSpec(spec);
  if (!parsed.ok) throw new CliFailure(`--break ${parsed.error}`);
  return parsed.value;
}
