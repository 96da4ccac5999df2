/** console.*: lines typed at the console. A refused command is an answer like another: it has words, and a place in the line. */
import { ok } from '../../base/result.ts';
import { completeConsoleLine, runConsoleLine } from '../console/console-run.ts';
import type { RequestFamily } from '../request-table.ts';

export const consoleRequests: RequestFamily<'console.run' | 'console.complete'> = {
  'console.run': (session, { line, vcpu, columns }) => ok(runConsoleLine(session, line, vcpu, columns)),
  'console.complete': (session, { line, cursor, vcpu }) => ok(completeConsoleLine(session, line, cursor, vcpu)),
};
