/** stats.*: KVM's debugfs counters under their names, and how fast the guest runs. */
import { VM_N_MAX_MMU_PAGES, VM_N_USED_MMU_PAGES } from '../../arena/mmu-layout.ts';
import { ok } from '../../base/result.ts';
import { VCPU_COUNTERS } from '../../base/counters.ts';
import { readVcpuCounters, readVmCounters, resetCounters } from '../../kvm/trace/stats.ts';
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
  const vcpu = readVcpuCounters(arena, 0);
  for (const { id } of machine.vm.vcpus.slice(1)) {
    const more = readVcpuCounters(arena, id);
    for (const name of VCPU_COUNTERS) vcpu[name] += more[name];
  }
  return {
    moment: session.moment(),
    vcpu,
    vm: readVmCounters(arena),
    usedMmuPages: arena.i32[(arena.layout.vm + VM_N_USED_MMU_PAGES) >> 2],
    maxMmuPages: arena.i32[(arena.layout.vm + VM_N_MAX_MMU_PAGES) >> 2],
    insnsPerSecond: run.running ? session.insnRate.perSecond() : 0,
    mmioPerSecond: run.running ? session.mmioRate.perSecond() : 0,
  };
}
