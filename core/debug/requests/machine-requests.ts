/** machine.*: making one, making it again, saying how it is. */
import { ok, type Result } from '../../base/result.ts';
import { createMachine, type Machine, type MachineError } from '../../machine/index.ts';
import type { MachineOptions } from '../../protocol/requests.ts';
import type { MachineStatus } from '../../protocol/snapshots.ts';
import { GenerationHistory } from '../memslots/generation-history.ts';
import { MemslotHold } from '../memslots/memslot-hold.ts';
import { MemslotTrials } from '../memslots/memslot-lists.ts';
import { DebugHooks } from '../breakpoints/debug-hooks.ts';
import { refused, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import { RunControl } from '../run/run-control.ts';
import type { LoadedSource, Session } from '../session.ts';
import { SpteTable } from '../sptes/spte-table.ts';
import { enabledEvents, enableEvents } from '../logs/trace-lines.ts';
import { presentMachine } from './present.ts';

type MachineNames = 'machine.create' | 'machine.reset' | 'machine.status';

export const machineRequests: RequestFamily<MachineNames> = {
  'machine.create': (session, { image, name, options }) => create(session, { image: image.slice(), name, options }),
  'machine.reset': (session) => reset(session),
  'machine.status': (session) => ok(session.status()),
};

/** The machine that is there stays as it is until another one stands with its image loaded. */
function create(session: Session, source: LoadedSource): Handled<MachineStatus> {
  const { image, name, options } = source;
  const made = makeMachine(session, options);
  if (!made.ok) return made;
  const { machine, hooks } = made.value;
  const loaded = machine.loadImage(image, name, options.append);
  if (!loaded.ok) return refused(loaded.error.message);
  return install(session, machine, hooks, source);
}

export interface MadeMachine {
  readonly machine: Machine;
  readonly hooks: DebugHooks;
}

/** A machine without an image, which the session does not know yet. */
export function makeMachine(session: Session, options: MachineOptions): Handled<MadeMachine> {
  const hooks = new DebugHooks(session.breakpoints, (level, text) =>
    session.platform.emit({ kind: 'log', level, text }),
  );
  const { launchVcpu } = session.platform;
  if (options.threads && launchVcpu === undefined)
    return refused('this program cannot give vCPUs threads of their own.');
  const threads = options.threads ? launchVcpu : undefined;
  const config = { ...options, threads, hooks, onSerial: (bytes: Uint8Array) => session.hearSerial(bytes) };
  let made: Result<Machine, MachineError>;
  try {
    made = createMachine(config, (bytes) => session.platform.allocate(bytes));
  } catch (error) {
    // The platform's allocator throws a sentence when there is no memory left.
    return refused(error instanceof Error ? error.message : String(error));
  }
  return made.ok ? ok({ machine: made.value, hooks }) : refused(made.error.message);
}

/** The same arena, cleared: nobody who looks has to attach anew, and what is traced is traced from the start. */
function reset(session: Session): Handled<MachineStatus> {
  const { machine, hooks, source } = presentMachine(session);
  const traced = enabledEvents(machine.arena);
  hooks.detach();
  const loaded = machine.reset();
  if (!loaded.ok) {
    hooks.attach(machine);
    return refused(loaded.error.message);
  }
  enableEvents(machine.arena, traced);
  return install(session, machine, hooks, source);
}

export function install(
  session: Session,
  machine: Machine,
  hooks: DebugHooks,
  source: LoadedSource,
): Handled<MachineStatus> {
  session.replaceDebuggee({
    machine,
    source,
    hooks,
    run: new RunControl(machine, session.breakpoints, hooks, () => session.platform.now()),
    history: new GenerationHistory(),
    sptes: new SpteTable(),
    trials: new MemslotTrials(),
    hold: new MemslotHold(),
  });
  session.announceChange();
  return ok(session.status());
}
