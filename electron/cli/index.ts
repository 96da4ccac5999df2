/** The command line as a process. */
import { raiseInliningBudget } from '../host/compiler-budget.ts';
import { runCli } from './cli.ts';
import { STATUS_PIPE } from './exit-status.ts';
import { processIo } from './process-io.ts';

raiseInliningBudget();
const status = await runCli(process.argv.slice(2), processIo());
// What was not written is not made good by how the guest ended.
if (status !== undefined && process.exitCode !== STATUS_PIPE) process.exitCode = status;
