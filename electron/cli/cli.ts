/** The program `umbra`: its commands, and what every one of them does about bad usage. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import * as v from 'valibot';
import { registerAudit } from './audit.ts';
import { registerBench } from './bench.ts';
import { offer, OutputClosed, type CliIo } from './cli-io.ts';
import { registerConsole } from './console.ts';
import { registerConformance } from './conformance.ts';
import { registerDemo } from './demo.ts';
import { CliFailure, STATUS_MACHINE, STATUS_OK, STATUS_PIPE, STATUS_USAGE } from './exit-status.ts';
import { registerRmap } from './rmap.ts';
import { registerRace } from './race.ts';
import { registerRun } from './run.ts';
import { register as registerSlots } from './slots.ts';
import { register as registerSpte } from './spte.ts';
import { registerStress } from './stress.ts';
import { registerWalk } from './walk.ts';

/** Of package.json, which lies two folders up from the bundle as from this module. */
const programVersion = (): string => {
  const { version } = v.parse(
    v.object({ version: v.string() }),
    JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')),
  );
  return version;
};

/**
 * Runs one command line.
 * @param words what follows the program's name
 * @returns the exit status, or undefined when the command has set the process's own
 */
export async function runCli(words: readonly string[], io: CliIo): Promise<number | undefined> {
  let status: number | undefined;
  const finish = (value: number): void => {
    status = value;
  };
  const program = new Command('umbra')
    .description("A real x86 guest under a faithful model of Linux KVM's MMU, without a window.")
    .version(programVersion(), '--version', 'print the version')
    .exitOverride()
    // So that an option behind a subcommand is that subcommand's.
    .enablePositionalOptions()
    .showHelpAfterError('(umbra help COMMAND says more)')
    .configureOutput({
      writeOut: (text) => offer(io, text),
      writeErr: (text) => io.complain(text.trimEnd()),
    });
  registerRun(program, io, finish);
  registerDemo(program, io, finish);
  registerWalk(program, io, finish);
  registerRmap(program, io, finish);
  registerConsole(program, io, finish);
  registerAudit(program, io, finish);
  registerRace(program, io, finish);
  registerSpte(program);
  registerSlots(program);
  registerBench(program, io, finish);
  registerStress(program, io, finish);
  registerConformance(program, io, finish);
  try {
    await program.parseAsync(words.length === 0 ? ['help'] : [...words], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? STATUS_OK : STATUS_USAGE;
    if (error instanceof CliFailure) {
      io.complain(`umbra: ${error.message}`);
      return error.status;
    }
    if (error instanceof OutputClosed) return STATUS_PIPE;
    // A bug of ours: its message, and where it happened only for those who ask.
    const details = error instanceof Error ? (process.env['UMBRA_DEBUG'] ? error.stack : error.message) : String(error);
    io.complain(`umbra: an error of Umbra's own: ${details} (set UMBRA_DEBUG=1 to see where)`);
    return STATUS_MACHINE;
  }
}
