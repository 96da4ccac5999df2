/** disassembly.read and symbols.search. */
import { ok } from '../../base/result.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine, presentVcpu } from './present.ts';

export const disassemblyRequests: RequestFamily<'disassembly.read' | 'symbols.search'> = {
  'disassembly.read': (session, { vcpu: id, ...wish }) => {
    const vcpu = presentVcpu(session, id);
    if (!vcpu.ok) return vcpu;
    const { machine } = presentMachine(session);
    const lines = session.disassembler.read(vcpu.value.cpu, machine.devices.bus, session.symbols, wish, (address) =>
      session.breakpoints.execAt(address),
    );
    return ok({ moment: session.moment(), lines });
  },
  'symbols.search': (session, { query, limit }) =>
    ok(session.symbols.search(query, limit).map(({ name, address, size }) => ({ name, address, size }))),
};
