/** `umbra conformance x86|memslots FILE…`: recordings of a real processor and a real kernel, replayed. */
import type { Command } from 'commander';
import { offer, type CliIo } from './cli-io.ts';
import { conformanceMemslots } from './conformance-memslots.ts';
import { conformanceX86 } from './conformance-x86.ts';

export function registerConformance(program: Command, io: CliIo, finish: (status: number) => void): void {
  const conformance = program
    .command('conformance')
    .description(
      'replay recordings of real hardware and a real kernel; status 0 when everything comes out as recorded',
    );
  const print = (line: string): void => offer(io, `${line}\n`);
  const complain = (line: string): void => io.complain(`umbra conformance: ${line}`);
  conformance
    .command('x86')
    .description('instructions of a real x86 processor: state before, code, state after')
    .argument('<file...>', 'recordings, one case a line (JSON)')
    .action((files: readonly string[]) => finish(conformanceX86(files, print, complain)));
  conformance
    .command('memslots')
    .description('memslot calls of a real kernel against the limits of Linux 6.18')
    .argument('<file...>', 'recordings, one VM a line (JSON)')
    .action((files: readonly string[]) => finish(conformanceMemslots(files, print, complain)));
}
