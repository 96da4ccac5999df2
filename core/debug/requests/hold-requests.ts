/** hold.*: a memslot update of the present machine, step by step. */
import { ok } from '../../base/result.ts';
import type { RequestName } from '../../protocol/requests.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import { pausedVcpu, presentMachine } from './present.ts';

type HoldNames = 'hold.read' | 'hold.begin' | 'hold.step' | 'hold.vcpu' | 'hold.finish';

export const holdRequests: RequestFamily<HoldNames> = {
  'hold.read': (session) => ok(presentMachine(session).hold.snapshot(session)),
  'hold.begin': (session, { regions }) => presentMachine(session).hold.begin(session, regions),
  'hold.step': (session, { steps }) => presentMachine(session).hold.step(session, steps),
  'hold.finish': (session) => presentMachine(session).hold.finish(session),
  'hold.vcpu': (session, { vcpu, insns }) => {
    const present = pausedVcpu(session, vcpu, 'run a vCPU alone');
    if (!present.ok) return present;
    const goal = insns === undefined ? ({ kind: 'exit' } as const) : ({ kind: 'insns', count: insns } as const);
    return presentMachine(session).hold.runAlone(session, vcpu, goal);
  },
};

const STEP_ITS_VCPUS = 'run its vCPUs one by one (hold.vcpu), or finish the update';
const SLOTS_LOCK = 'the update holds slots_lock; finish it first';

/** What cannot be done while an update is held, and what to do instead. */
const HELD_BACK: ReadonlyMap<RequestName, string> = new Map<RequestName, string>([
  ['run.continue', STEP_ITS_VCPUS],
  ['run.step', STEP_ITS_VCPUS],
  ['run.stepOver', STEP_ITS_VCPUS],
  ['run.stepOut', STEP_ITS_VCPUS],
  ['run.to', STEP_ITS_VCPUS],
  ['hold.begin', SLOTS_LOCK],
  ['memslots.set', SLOTS_LOCK],
  ['memslots.apply', SLOTS_LOCK],
  ['memslots.preview', SLOTS_LOCK],
  ['memslots.previewAll', SLOTS_LOCK],
  ['memslots.dirtyLog', SLOTS_LOCK],
  ['mmu.setQuota', SLOTS_LOCK],
  ['generation.set', SLOTS_LOCK],
  ['audit.run', 'the auditor’s rules hold when no update is in flight; finish it first'],
  ['state.saveBegin', 'the rest of an update is no part of a machine state; finish it first'],
]);

/** Why a request has to wait until the held update is finished; undefined when it need not. */
export function heldBack(session: Session, name: RequestName): string | undefined {
  const hold = session.debuggee?.hold;
  if (hold === undefined || !hold.isHeld) return undefined;
  const instead = HELD_BACK.get(name);
  return instead && `a memslot update is in flight (${hold.describe()}): ${instead}.`;
}
