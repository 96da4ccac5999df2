/** The command line as a process. */
import { runCli } from './cli.ts';
import { processIo } from './process-io.ts';

const status = await runCli(process.argv.slice(2), processIo());
if (status !== undefined) process.exitCode = status;
