/** trace.*: the tracepoints of kvm and kvmmmu. */
import { ok } from '../../base/result.ts';
import { badRequest } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import { enableEvents, enabledEvents, exportTrace, readTrace } from '../logs/trace-lines.ts';
import { presentMachine } from './present.ts';

export const traceRequests: RequestFamily<'trace.enable' | 'trace.enabled' | 'trace.read' | 'trace.export'> = {
  'trace.enable': (session, { events }) => {
    const { arena } = presentMachine(session).machine;
    const unknown = enableEvents(arena, events);
    if (unknown.length > 0) return badRequest(`there is no tracepoint called ${unknown.join(', ')}.`);
    return ok({ events: enabledEvents(arena) });
  },
  'trace.enabled': (session) => ok({ events: enabledEvents(presentMachine(session).machine.arena) }),
  'trace.read': (session, { since, limit, wording }) =>
    ok({ moment: session.moment(), ...readTrace(presentMachine(session).machine.arena, since, limit, wording) }),
  'trace.export': (session, { since, limit, wording, irqInfo }) =>
    ok(exportTrace(presentMachine(session).machine.arena, since, limit, wording, irqInfo)),
};
