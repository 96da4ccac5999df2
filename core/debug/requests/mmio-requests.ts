/** mmio.*: the fault log and the heat of frames. */
import { ok } from '../../base/result.ts';
import { mmioTimeline, readMmioHeat, readMmioLog } from '../logs/mmio-records.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine } from './present.ts';

export const mmioRequests: RequestFamily<'mmio.log' | 'mmio.heat' | 'mmio.timeline'> = {
  'mmio.log': (session, { since, limit }) => {
    const { machine } = presentMachine(session);
    const log = readMmioLog(machine.arena, since, limit, (number) => machine.devices.bus.names[number]);
    return ok({ moment: session.moment(), ...log });
  },
  'mmio.heat': (session, { limit }) =>
    ok({ moment: session.moment(), ...readMmioHeat(presentMachine(session).machine.arena, limit) }),
  'mmio.timeline': (session, { buckets }) =>
    ok({ moment: session.moment(), ...mmioTimeline(presentMachine(session).machine.arena, buckets) }),
};
