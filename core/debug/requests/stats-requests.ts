/** stats.*: KVM's debugfs counters under the names of the era's kernel, and how fast the guest runs. */
import { VM_N_MAX_MMU_PAGES, VM_N_USED_MMU_PAGES } from '../../arena/mmu-layout.ts';
import { ok } from '../../base/result.ts';
import { resetCounters, vcpuCounts, vmCounts } from '../../kvm/trace/stats.ts';
import type { StatsSnapshot } from '../../protocol/snapshots.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import { presentMachine } from './present.ts';

export const statsRequests: RequestFamily<'stats.read' | 'stats.reset'> = {
  'stats.read': (session) => ok(statsSnapshot(session)),
  'stats.reset': (session) => {
    resetCounters(presentMachine(session).machine.arena);
    session.announceChange();
    return ok(statsSnapshot(session));
  },
};

export function statsSnapshot(session: Session): StatsSnapshot {
  const { machine, run } = presentMachine(session);
  const { arena } = machine;
  return {
    moment: session.moment(),
    vcpu: vcpuCounts(arena),
    vm: vmCounts(arena),
    usedMmuPages: arena.i32[(arena.layout.vm + VM_N_USED_MMU_PAGES) >> 2],
    maxMmuPages: arena.i32[(arena.layout.vm + VM_N_MAX_MMU_PAGES) >> 2],
    insnsPerSecond: run.running ? session.insnRate.perSecond() : 0,
    mmioPerSecond: run.running ? session.mmioRate.perSecond() : 0,
  };
}
