/** run.*: going on, standing still, and everything between. */
import { ok } from '../../base/result.ts';
import type { MachineStatus } from '../../protocol/snapshots.ts';
import { notAllowed, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import type { RunControl } from '../run/run-control.ts';
import type { Session } from '../session.ts';
import { pausedVcpu, presentMachine } from './present.ts';

type RunNames = 'run.continue' | 'run.pause' | 'run.step' | 'run.stepOver' | 'run.stepOut' | 'run.to';

export const runRequests: RequestFamily<RunNames> = {
  'run.continue': (session, { untilInsns }) => {
    const { run } = presentMachine(session);
    const ended = run.endedBecause();
    if (ended !== undefined) return notAllowed(ended);
    if (!run.running) run.start({ kind: 'free' }, untilInsns);
    return changed(session);
  },
  'run.pause': (session) => {
    presentMachine(session).run.pause();
    return changed(session);
  },
  'run.step': (session, { vcpu, count }) => begin(session, vcpu, 'step', (run) => run.startSteps(vcpu, count)),
  'run.stepOver': (session, { vcpu }) =>
    begin(session, vcpu, 'step', (run) => run.startOver(presentMachine(session).machine.vm.vcpus[vcpu])),
  'run.stepOut': (session, { vcpu }) =>
    begin(session, vcpu, 'step', (run) => run.startOut(presentMachine(session).machine.vm.vcpus[vcpu])),
  'run.to': (session, { vcpu, address }) =>
    begin(session, vcpu, 'run to an address', (run) => run.start({ kind: 'to', vcpu, address })),
};

/** Starts towards a goal and answers when it is reached, if that is soon; else the goal's end is an event. */
function begin(
  session: Session,
  vcpuId: number,
  what: string,
  start: (run: RunControl) => void,
): Handled<MachineStatus> {
  const vcpu = pausedVcpu(session, vcpuId, what);
  if (!vcpu.ok) return vcpu;
  const { run } = presentMachine(session);
  const ended = run.endedBecause();
  if (ended !== undefined) return notAllowed(ended);
  start(run);
  run.settle();
  return changed(session);
}

function changed(session: Session): Handled<MachineStatus> {
  session.flushSerial();
  session.announceChange();
  return ok(session.status());
}
