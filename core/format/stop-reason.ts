/** Why the machine stands where it stands, in one line. */
import { assertUnreachable } from '../base/assert.ts';
import type { MachineStatus, MmioFaultPreview, RunState, StopReason } from '../protocol/snapshots.ts';
import { formatAddress } from './address-text.ts';

export function describeStop(reason: StopReason): string {
  switch (reason.kind) {
    case 'none':
      return '';
    case 'loaded':
      return 'loaded; at its first instruction';
    case 'paused':
      return 'on request';
    case 'step':
      return 'after a step';
    case 'run-to':
      return `reached ${formatAddress(reason.address)}`;
    case 'breakpoint':
      return `breakpoint ${reason.id} at ${formatAddress(reason.address)}${describeProblem(reason.problem)}`;
    case 'mmio-breakpoint':
      return `breakpoint ${reason.id}: ${describeFault(reason.fault)}${describeProblem(reason.problem)}`;
    case 'event-breakpoint':
      return `breakpoint ${reason.id}: ${reason.event.text}${describeProblem(reason.problem)}`;
    case 'halted':
      return 'halted with nothing pending';
    case 'exited':
      return `guest exited with status ${reason.status}`;
    case 'shutdown':
      return `shutdown: ${reason.detail}`;
    case 'error':
      return reason.message;
    default:
      return assertUnreachable(reason);
  }
}

/** A condition that could not be evaluated stops the machine, and the stop says so. */
const describeProblem = (problem: string | undefined): string => (problem === undefined ? '' : ` (${problem})`);

/** `MMIO read of 0xfeb00000, EMULATE (spte generation 0x2, current 0x2)` */
export function describeFault(fault: MmioFaultPreview): string {
  return `MMIO ${fault.access} of ${formatAddress(fault.gpa)}, ${fault.outcome} (${describeGenerations(fault.spteGen, fault.kvmGen)})`;
}

/** What the generation of an spte says beside the current one. */
export function describeGenerations(spteGen: number, kvmGen: number): string {
  if (spteGen < 0) return 'no MMIO spte yet';
  const current = kvmGen < 0 ? 'no current one in this era' : `current 0x${kvmGen.toString(16)}`;
  return `spte generation 0x${spteGen.toString(16)}, ${current}`;
}

const STATE_NAMES: Readonly<Record<RunState, string>> = {
  empty: 'No machine',
  paused: 'Paused',
  running: 'Running',
  halted: 'Halted',
  exited: 'Exited',
  shutdown: 'Shut down',
  error: 'Stopped on an error',
  crashed: 'Engine crashed',
};

export const runStateName = (state: RunState): string => STATE_NAMES[state];

/** `memslots generation 4, MMIO generation 0x2, 524285 changes before it wraps` */
export function generationText({ moment, generationsToWrap }: MachineStatus): string {
  const { memslotsGeneration, mmioGeneration } = moment;
  if (mmioGeneration < 0) return `memslots generation ${memslotsGeneration}; sptes of this era carry none`;
  return (
    `memslots generation ${memslotsGeneration}, MMIO generation 0x${mmioGeneration.toString(16)}, ` +
    `${generationsToWrap} changes before it wraps`
  );
}
