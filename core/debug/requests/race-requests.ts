/** race.*: the race laboratory. A script is played on a small machine of its own; the session's is not touched. */
import { ok } from '../../base/result.ts';
import { KVM_BUGS } from '../../kvm/mmio/mmio-bugs.ts';
import { RACE_LABS } from '../race/race-labs.ts';
import { RACE_BUGS, runRace, type RaceEvent } from '../race/race-run.ts';
import { parseRaceScript } from '../race/race-script.ts';
import type { RaceLineOutcome } from '../../protocol/snapshots.ts';
import { badRequest } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';

export const raceRequests: RequestFamily<'race.labs' | 'race.run'> = {
  'race.labs': () => ok(RACE_LABS),
  'race.run': (_session, { script, era, mmu, maxPhyAddr }) => {
    const parsed = parseRaceScript(script);
    if (!parsed.ok) return badRequest(`line ${parsed.error.line}: ${parsed.error.message}.`);
    const run = runRace(parsed.value, { era, mmu, maxPhyAddr });
    if (!run.ok) return badRequest(`line ${run.error.line}, in ${era}: ${run.error.message}.`);
    const { title, events, strikes, failures } = run.value;
    const struck = KVM_BUGS.filter(({ id }) => RACE_BUGS.includes(id) && strikes[id] > 0);
    const bugs = struck.map(({ id, commit, fixed, title: name }) => ({
      name,
      commit,
      fixed,
      strikes: strikes[id],
    }));
    return ok({ title, era, mmu: parsed.value.mmu ?? mmu, events: events.map(named), bugs, failures });
  },
};

/** Bugs by the names that people know them by. */
const named = ({ bugs, ...event }: RaceEvent): RaceLineOutcome => ({
  ...event,
  bugs: KVM_BUGS.filter(({ id }) => bugs.includes(id)).map(({ title }) => title),
});
