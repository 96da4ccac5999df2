/**
 * Several memslot calls as one. KVM has no such thing: each is tried out first on a copy (core/kvm/memslot-rehearsal.ts), and
 * the list is carried out only when none would be refused. Nothing that a refusal depends on can change in between, because
 * memslots are changed on this thread only.
 */
import { assert } from '../../base/assert.ts';
import { ok, type Result } from '../../base/result.ts';
import { MemslotRehearsal } from '../../kvm/index.ts';
import type { MemslotError } from '../../kvm/memslots/memslot-errors.ts';
import type {
  MemslotOutcome,
  MemslotReport,
  MemslotsApplied,
  MemslotsPreview,
  UserMemoryRegion,
} from '../../protocol/snapshots.ts';
import { inverseOf, setRegion } from './memslot-changes.ts';
import { listMemslots } from './memslot-list.ts';
import { refused, type Handled } from '../refusal.ts';
import { presentMachine } from '../requests/present.ts';
import type { Session } from '../session.ts';

/** The buffer for trying changes out; made when it is first wanted. */
export class MemslotTrials {
  #rehearsal: MemslotRehearsal | undefined;

  outcomes(session: Session, regions: readonly UserMemoryRegion[]): Handled<readonly MemslotOutcome[]> {
    const { machine } = presentMachine(session);
    try {
      this.#rehearsal ??= new MemslotRehearsal(machine.arena.layout, (bytes) => session.platform.allocate(bytes));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return refused(`there is no memory for a copy to try the changes out on: ${why}`);
    }
    const results = this.#rehearsal.run(machine.vm, regions).map(outcomeOf);
    return ok(regions.map((_region, i) => results.at(i) ?? { kind: 'unreached' }));
  }
}

const outcomeOf = (result: Result<MemslotReport, MemslotError>): MemslotOutcome => {
  if (result.ok) return { kind: 'report', report: result.value };
  const { errno, check, message, collidingSlot } = result.error;
  return { kind: 'refusal', refusal: { errno, check, message, collidingSlot } };
};

export function previewRegions(session: Session, regions: readonly UserMemoryRegion[]): Handled<MemslotsPreview> {
  const outcomes = presentMachine(session).trials.outcomes(session, regions);
  return outcomes.ok ? ok({ moment: session.moment(), outcomes: outcomes.value }) : outcomes;
}

export function applyRegions(session: Session, regions: readonly UserMemoryRegion[]): Handled<MemslotsApplied> {
  const trial = presentMachine(session).trials.outcomes(session, regions);
  if (!trial.ok) return trial;
  const promised = trial.value;
  if (promised.some(({ kind }) => kind !== 'report')) {
    return ok({ moment: session.moment(), applied: false, outcomes: promised, promised, inverse: [] });
  }
  const { arena } = presentMachine(session).machine;
  const outcomes: MemslotOutcome[] = [];
  const inverse: UserMemoryRegion[] = [];
  for (const region of regions) {
    const old = listMemslots(arena).find(({ id }) => id === region.slot);
    const done = setRegion(session, region);
    assert(done.ok, 'a memslot change was refused that had succeeded on the copy');
    outcomes.push({ kind: 'report', report: done.value });
    const back = inverseOf(region, done.value, old);
    if (back !== undefined) inverse.unshift(back);
  }
  session.announceChange();
  return ok({ moment: session.moment(), applied: true, outcomes, promised, inverse });
}
