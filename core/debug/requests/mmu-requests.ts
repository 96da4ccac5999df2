/** audit.run and mmu.*: the auditor's rules over the MMU, and what a host asks of it: a page quota, pages back, pages of user space. */
import { ok } from '../../base/result.ts';
import { auditMmu } from '../../kvm/audit/audit.ts';
import { notAllowed, refused, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import { presentMachine } from './present.ts';
import { statsSnapshot } from './stats-requests.ts';

export const mmuRequests: RequestFamily<'audit.run' | 'mmu.setQuota' | 'mmu.shrink' | 'mmu.notify'> = {
  'audit.run': (session, { limit, events }) => {
    const { machine, run } = presentMachine(session);
    // vCPUs that take turns stand still between two slices; threads do not.
    if (run.running && machine.isParallel) {
      return notAllowed('pause the machine before you audit it: its vCPUs are at work on what the rules are about.');
    }
    return ok({ moment: session.moment(), report: auditMmu(machine.vm.mmu, { limit, events }) });
  },
  'mmu.setQuota': (session, { pages }) => {
    const set = presentMachine(session).machine.vm.setNrMmuPages(pages);
    if (!set.ok) return refused(set.error.message);
    session.announceChange();
    return ok(statsSnapshot(session));
  },
  'mmu.shrink': (session, { calls }) => shrink(session, calls),
  'mmu.notify': (session, { event, hva, pages }) => {
    const { vm } = presentMachine(session).machine;
    const first = hva & ~0xfffn;
    const count = event === 'age' ? vm.ageHva(first, pages) : vm.unmapHva(first, pages);
    session.announceChange();
    return ok({ moment: session.moment(), count });
  },
};

/** A call that gives nothing back does not mean that the next will not: the oldest page may have been a root in use. */
function shrink(session: Session, calls: number): Handled<{ moment: ReturnType<Session['moment']>; freed: number }> {
  const { vm } = presentMachine(session).machine;
  let freed = 0;
  for (let call = 0; call < calls; call += 1) freed += vm.shrinkMmu();
  session.announceChange();
  return ok({ moment: session.moment(), freed });
}
