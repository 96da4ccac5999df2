/** disassembly.read and symbols.*. */
import { ok } from '../../base/result.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine, presentVcpu } from './present.ts';

export const disassemblyRequests: RequestFamily<'disassembly.read' | 'symbols.search' | 'symbols.at'> = {
  'disassembly.read': (session, { vcpu: id, ...wish }) => {
    const vcpu = presentVcpu(session, id);
    if (!vcpu.ok) return vcpu;
    const { machine } = presentMachine(session);
    const lines = session.disassembler.read(vcpu.value.cpu, machine.devices.bus, session.symbols, wish, (address) =>
      session.breakpoints.execAt(address),
    );
    return ok({ moment: session.moment(), lines });
  },
  'symbols.at': (session, { addresses }) =>
    ok(
      addresses.map((address) => {
        const found = session.symbols.lookup(address);
        if (found === undefined) return undefined;
        return found.offset === 0n ? found.symbol.name : `${found.symbol.name}+0x${found.offset.toString(16)}`;
      }),
    ),
  'symbols.search': (session, { query, limit }) =>
    ok(session.symbols.search(query, limit).map(({ name, address, size }) => ({ name, address, size }))),
};
