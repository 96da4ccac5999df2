/** `umbra run IMAGE`: a guest in this thread, its serial line on standard input and output. */
import { Option, type Command } from 'commander';
import { HOST_PAGES, type HostPages } from '../../core/base/host-pages.ts';
import { ERAS, MMU_MODES, type Era, type MmuMode } from '../../core/base/machine-modes.ts';
import { parseBreakSpec, type BreakpointWish } from './break-spec.ts';
import type { CliIo } from './cli-io.ts';
import { CliFailure } from './exit-status.ts';
import { guestNames, readImage } from './image-file.ts';
import { collect, integerIn, parseAppend, parseInsns, parseMemory } from './options.ts';
import { GuestRun } from './guest-run.ts';
import { readSlotEdits } from './slot-edits.ts';

export interface RunOptions {
  readonly mem: number;
  readonly mmu: MmuMode;
  readonly era: Era;
  readonly maxphyaddr: number;
  readonly mmuPages: number;
  readonly hostPages: HostPages;
  readonly eptAd: 'on' | 'off';
  readonly vcpus: number;
  readonly append: string;
  readonly break: readonly string[];
  readonly breakAction: 'stop' | 'continue';
  readonly slots: string | undefined;
  readonly maxInsns: number | undefined;
  readonly trace: string | undefined;
  readonly json: boolean;
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
      .argument('<image>', imageHelp()),
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
    .option('--json', 'say on the last line of standard error, as JSON, what the run came to', false)
    .addHelpText('after', RUN_HELP)
    .action(async (image: string, options: RunOptions) => finish(await runGuest(image, options, io)));
}

/** Options that make a machine; `demo` shares them. */
export function machineOptions(command: Command): Command {
  return command
    .option('--mem <size>', 'guest memory: 1M to 1536M, a multiple of 4 KiB', parseMemory, 128 * 1024 * 1024)
    .addOption(new Option('--mmu <mode>', 'second-level translation').choices(MMU_MODES).default('ept'))
    .addOption(new Option('--era <era>', 'which KVM the MMIO machinery follows').choices(ERAS).default('patch'))
    .option('--maxphyaddr <bits>', 'physical address bits of the host: 32 to 52', integerIn(32, 52), 40)
    .option('--mmu-pages <n>', 'shadow page quota (KVM_SET_NR_MMU_PAGES); 0 leaves it to KVM', integerIn(0, 32768), 0)
    .addOption(new Option('--host-pages <size>', 'host pages behind guest memory').choices(HOST_PAGES).default('4k'))
    .addOption(new Option('--ept-ad <state>', 'accessed and dirty flags for EPT').choices(['on', 'off']).default('off'))
    .option('--vcpus <n>', 'virtual processors: 1 to 8, in turns on one thread', integerIn(1, 8), 1)
    .option('--append <args>', 'command line of the guest', parseAppend, '');
}

const imageHelp = (): string =>
  `a multiboot ELF or flat binary, or a guest of the program (${guestNames().join(', ')}); ./NAME for a file of that name`;

const RUN_HELP = `
Breakpoints (--break SPEC):
  exec:SYMBOL  exec:0xADDRESS             before the instruction at an address is executed
  mmio:GPA[+LENGTH]  mmio:any             before an MMIO fault is handled; LENGTH defaults to the rest of the page
    :read :write                            only that kind of access
    :fresh :stale                           only when the MMIO spte's generation is current, or is not
    :OUTCOME[,OUTCOME]                      only when it will come to EMULATE, INVALID, RETRY, BUG, CACHED or FIRST
  :once                                   only the first time
  :hit=N                                  only from the Nth time on
  e.g. --break exec:main --break mmio:0xfeb00000+0x1000:write:stale:INVALID

Exit status:
  the guest's own (debug-exit port 0xf4: (value << 1) | 1), 0 when it halts for good or a breakpoint stops it,
  2 bad usage or an image that cannot be loaded, 3 triple fault or the machine stopped on an error of its own,
  124 --max-insns was reached, 141 standard output was closed or cannot be written.`;

async function runGuest(image: string, options: RunOptions, io: CliIo): Promise<number> {
  const file = readImage(image);
  const breakpoints = options.break.map(mustParse);
  const edits = options.slots === undefined ? [] : readSlotEdits(options.slots);
  const run = new GuestRun(io, file, breakpoints, edits, options);
  return await run.toEnd();
}

function mustParse(spec: string): BreakpointWish {
  const parsed = parseBreakSpec(spec);
  if (!parsed.ok) throw new CliFailure(parsed.error);
  return parsed.value;
}
