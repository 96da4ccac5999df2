/** generation.*: what the whole mechanism turns on. */
import { ok } from '../../base/result.ts';
import {
  eraIndex,
  generationRefusal,
  generationsPerInstall,
  mmioGenerationEnd,
  mmioGenerationMask,
} from '../../kvm/eras.ts';
import type { GenerationSnapshot } from '../../protocol/snapshots.ts';
import { notAllowed } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import { presentMachine } from './present.ts';

export const generationRequests: RequestFamily<'generation.read' | 'generation.set'> = {
  'generation.read': (session) => ok(snapshot(session)),
  'generation.set': (session, { memslotsGeneration }) => {
    const { machine, source, history } = presentMachine(session);
    if (source.options.era === 'v3.10') {
      return notAllowed('the era v3.10 keeps no generation in its sptes; there is nothing to move.');
    }
    const refusal = generationRefusal(source.options.era, memslotsGeneration);
    if (refusal !== undefined) return notAllowed(`${refusal}.`);
    const before = session.moment();
    machine.vm.setMemslotsGeneration(memslotsGeneration);
    const after = session.moment();
    history.record({
      insns: after.insns,
      kind: 'set',
      slot: -1,
      before: before.mmioGeneration,
      after: after.mmioGeneration,
      text: `memslots generation set to ${memslotsGeneration} by hand`,
    });
    session.announceChange();
    return ok(snapshot(session));
  },
};

function snapshot(session: Session): GenerationSnapshot {
  const { machine, history, source } = presentMachine(session);
  const { era } = source.options;
  // Counted where sptes are written, and held against a scan by the auditor: a million of them cost a look nothing.
  const { live, fresh } = machine.vm.mmioSpteCounts();
  return {
    moment: session.moment(),
    mask: mmioGenerationMask(eraIndex(era)),
    wrapAt: mmioGenerationEnd(era),
    perInstall: generationsPerInstall(era),
    mmioSptesFresh: fresh,
    mmioSptesStale: live - fresh,
    events: history.events(),
  };
}
