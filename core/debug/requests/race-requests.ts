/** race.*: the race laboratory. A script is played on a small machine of its own; the session's is not touched. */
import { ok } from '../../base/result.ts';
import { KVM_BUGS } from '../../kvm/mmio/mmio-bugs.ts';
import { RACE_LABS } from '../race-labs.ts';
import { runRace } from '../race-run.ts';
import { parseRaceScript } from '../race-script.ts';
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
    // The drift of a counter is no race, and no script's business.
    const struck = KVM_BUGS.filter(({ id }) => id !== 'largepages-drift' && strikes[id] > 0);
    const bugs = struck.map(({ id, commit, fixed, title: name }) => ({
      name,
      commit,
      fixed,
      strikes: strikes[id],
    }));
    return ok({ title, era, events, bugs, failures });
  },
};
