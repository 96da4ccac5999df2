/** machine.*: making one, making it again, saying how it is. */
import { ok, type Result } from '../../base/result.ts';
import { createMachine } from '../../machine/index.ts';
import type { MachineStatus } from '../../protocol/snapshots.ts';
import { GenerationHistory } from '../generation-history.ts';
import { MmioStopHooks } from '../mmio-stop.ts';
import { refused, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import { RunControl } from '../run-control.ts';
import { SerialHistory } from '../serial-history.ts';
import type { Debuggee, LoadedSource, Session } from '../session.ts';
import { SpteTable } from '../spte-table.ts';
import { presentMachine } from './present.ts';

type MachineNames = 'machine.create' | 'machine.reset' | 'machine.status';

export const machineRequests: RequestFamily<MachineNames> = {
  'machine.create': (session, { image, name, options }) => replace(session, { image: image.slice(), name, options }),
  'machine.reset': (session) => replace(session, presentMachine(session).source),
  'machine.status': (session) => ok(session.status()),
};

/** The machine that is there stays as it is until another one stands with its image loaded. */
function replace(session: Session, source: LoadedSource): Handled<MachineStatus> {
  const made = makeDebuggee(session, source);
  if (!made.ok) return refused(made.error);
  session.replaceDebuggee(made.value);
  session.bumpEpoch();
  session.announceStatus();
  return ok(session.status());
}
