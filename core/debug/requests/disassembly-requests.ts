/** disassembly.read and symbols.*. */
import { ok } from '../../base/result.ts';
import type { LookedAtCode } from '../code/disassembler.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import type { Handled } from '../refusal.ts';
import { presentMachine, presentVcpu } from './present.ts';

export const disassemblyRequests: RequestFamily<
  'disassembly.read' | 'disassembly.marks' | 'symbols.search' | 'symbols.at'
> = {
  'disassembly.read': (session, { vcpu, ...wish }) => {
    const code = lookedAt(session, vcpu);
    return code.ok ? ok({ moment: session.moment(), ...session.disassembler.read(code.value, wish) }) : code;
  },
  'disassembly.marks': (session, { vcpu, ...wish }) => {
    const code = lookedAt(session, vcpu);
    return code.ok ? ok({ moment: session.moment(), ...session.disassembler.marks(code.value, wish) }) : code;
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

function lookedAt(session: Session, id: number): Handled<LookedAtCode> {
  const vcpu = presentVcpu(session, id);
  if (!vcpu.ok) return vcpu;
  const { bus } = presentMachine(session).machine.devices;
  return ok({
    cpu: vcpu.value.cpu,
    bus,
    symbols: session.symbols,
    breakpointAt: (address) => session.breakpoints.execAt(address),
  });
}
