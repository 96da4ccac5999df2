/** The description of a machine state: made of a session, and read back without trust. */
import * as v from 'valibot';
import { asciiBytes, asciiText } from '../../base/ascii.ts';
import { refuseUnless, RestoreRefused } from '../../base/restore-refused.ts';
import { latin1Text } from '../../base/latin1.ts';
import type { Machine } from '../../machine/index.ts';
import { BREAKPOINT_KIND_NAMES, STANDS_BEFORE } from '../../protocol/breakpoint-kinds.ts';
import { jsonText, parseJsonText } from '../../protocol/json-text.ts';
import {
  breakpointAsked,
  type MachineStateMeta,
  machineStateSchema,
  MAX_SAVED_BREAKPOINTS,
  MAX_SAVED_EVENTS,
  savedReasonSchema,
} from '../../protocol/machine-state.ts';
import type { BreakpointSnapshot } from '../../protocol/snapshots.ts';
import type { Debuggee, Session } from '../session.ts';

export function encodeStateMeta(session: Session, { machine, source, run, hooks, history }: Debuggee): Uint8Array {
  const reason = v.safeParse(savedReasonSchema, run.reason);
  const meta: MachineStateMeta = {
    image: source.name,
    options: { ...source.options, append: machine.source?.append ?? source.options.append },
    state:
      run.state === 'halted' || run.state === 'exited' || run.state === 'shutdown' || run.state === 'error'
        ? run.state
        : 'paused',
    reason: reason.success ? reason.output : { kind: 'paused' },
    stops: [...run.stopPlaces],
    met: hooks.metInFront.map((each) => ({ ...each })),
    untold: untoldOf(machine),
    breakpoints: session.breakpoints.list().slice(0, MAX_SAVED_BREAKPOINTS).map(savedBreakpoint),
    history: history
      .events()
      .slice(-MAX_SAVED_EVENTS)
      .map((event) => ({ ...event })),
    serial: latin1Text(session.serial.read()),
  };
  return asciiBytes(jsonText(meta));
}

/** What is stood in front of is met again anyway: only what has happened would be lost. */
const untoldOf = (machine: Machine): MachineStateMeta['untold'] =>
  machine.untold.flatMap(({ vcpu, event: { kind, target, values } }) => {
    const name = BREAKPOINT_KIND_NAMES[kind];
    return STANDS_BEFORE.has(name) ? [] : [{ vcpu, kind: name, target, values: [...values] }];
  });

const savedBreakpoint = (breakpoint: BreakpointSnapshot) => ({
  id: breakpoint.id,
  hits: breakpoint.hits,
  breakpoint: breakpointAsked(breakpoint),
});

/** @throws RestoreRefused */
export function decodeStateMeta(bytes: Uint8Array): MachineStateMeta {
  const text = asciiText(bytes);
  refuseUnless(text !== undefined, 'its description is no ASCII text.');
  let json: unknown;
  try {
    json = parseJsonText(text);
  } catch (error) {
    throw new RestoreRefused(`its description is no JSON (${error instanceof Error ? error.message : String(error)}).`);
  }
  const parsed = v.safeParse(machineStateSchema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new RestoreRefused(`its description is wrong at ${v.getDotPath(issue) ?? 'the top'}: ${issue.message}.`);
}
