/** devices.*: the devices as they stand, without the side effects that a guest's reads have. */
import { ok } from '../../base/result.ts';
import { withDevices } from '../../devices/index.ts';
import { listDevices, listInterruptLines } from '../devices/device-list.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine } from './present.ts';

export const deviceRequests: RequestFamily<'devices.read' | 'devices.peek'> = {
  'devices.read': (session) => {
    const { machine } = presentMachine(session);
    const { arena, devices } = machine;
    return ok({
      moment: session.moment(),
      ...withDevices(arena, () => ({ devices: listDevices(arena, devices), lines: listInterruptLines(devices) })),
    });
  },
  'devices.peek': (session, { port, count }) => {
    const { arena, devices } = presentMachine(session).machine;
    const bytes = withDevices(arena, () =>
      Array.from({ length: Math.min(count, 0x1_0000 - port) }, (_unused, i) => devices.bus.peekPort(port + i) ?? -1),
    );
    return ok({ moment: session.moment(), bytes });
  },
};
