/** memory.*: by probes, in any address space. */
import { ok } from '../../base/result.ts';
import { writeMemory } from '../memory/memory-edit.ts';
import { searchMemory } from '../memory/memory-search.ts';
import { readMemory } from '../memory/memory-view.ts';
import { refused } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import { pausedVcpu, presentMachine, presentVcpu } from './present.ts';

export const memoryRequests: RequestFamily<'memory.read' | 'memory.write' | 'memory.search'> = {
  'memory.read': (session, { space, vcpu: id, address, length }) => {
    const vcpu = presentVcpu(session, id);
    if (!vcpu.ok) return vcpu;
    const { machine } = presentMachine(session);
    const spans = readMemory(machine.arena, machine.devices.bus, id, space, address, length);
    return ok({ moment: session.moment(), space, address, spans });
  },
  'memory.search': (session, { vcpu: id, ...wish }) => {
    const vcpu = presentVcpu(session, id);
    if (!vcpu.ok) return vcpu;
    const { machine } = presentMachine(session);
    return ok({ moment: session.moment(), ...searchMemory(machine.arena, id, wish) });
  },
  'memory.write': (session, { space, vcpu: id, address, bytes }) => {
    const vcpu = pausedVcpu(session, id, 'edit memory');
    if (!vcpu.ok) return vcpu;
    const { machine, run } = presentMachine(session);
    const written = writeMemory(machine.arena, id, space, address, bytes);
    if (!written.ok) return refused(written.error);
    for (const { offset, length } of written.value) {
      for (const { cpu } of machine.vm.vcpus) cpu.noteExternalWrite(offset, length);
    }
    run.forgetStop();
    session.announceChange();
    return ok(session.moment());
  },
};
