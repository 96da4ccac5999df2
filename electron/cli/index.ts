/** The command line as a process. */
import { raiseInliningBudget } from '../host/compiler-budget.ts';
import { runCli } from './cli.ts';
import { processIo } from './process-io.ts';

raiseInliningBudget();
const status = await runCli(process.argv.slice(2), processIo());
if (status !== undefined) process.exitCode = status;
