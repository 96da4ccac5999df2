/** serial.*: the other end of the guest's serial line. */
import { ok } from '../../base/result.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine } from './present.ts';

export const serialRequests: RequestFamily<'serial.write' | 'serial.read'> = {
  'serial.write': (session, { bytes }) => {
    const { machine, run } = presentMachine(session);
    const accepted = machine.serialInput(bytes);
    if (accepted > 0) run.inputArrived();
    return ok({ accepted });
  },
  'serial.read': (session) => ok({ bytes: session.serial.read(), end: session.serial.written }),
};
