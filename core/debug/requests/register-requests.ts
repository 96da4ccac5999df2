/** registers.*: by name, read always, written while the machine stands still. */
import { ok } from '../../base/result.ts';
import type { Vcpu } from '../../kvm/index.ts';
import type { RegistersSnapshot } from '../../protocol/register-snapshots.ts';
import { registerRefused } from '../refusal.ts';
import { readRegisters, writeCsAndSs, writeRegister } from '../registers/register-file.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import { pausedVcpu, presentMachine, presentVcpu } from './present.ts';

export const registerRequests: RequestFamily<'registers.read' | 'registers.write'> = {
  'registers.read': (session, { vcpu: id }) => {
    const vcpu = presentVcpu(session, id);
    return vcpu.ok ? ok(snapshot(session, vcpu.value)) : vcpu;
  },
  'registers.write': (session, { vcpu: id, name, value, hidden, pair }) => {
    const vcpu = pausedVcpu(session, id, 'edit a register');
    if (!vcpu.ok) return vcpu;
    const written =
      pair === undefined
        ? writeRegister(vcpu.value, name, value, hidden)
        : writeCsAndSs(vcpu.value, { name, value, hidden }, pair);
    if (!written.ok) return registerRefused(written.error);
    presentMachine(session).run.forgetStop();
    session.announceChange();
    return ok(snapshot(session, vcpu.value));
  },
};

const snapshot = (session: Session, vcpu: Vcpu): RegistersSnapshot => ({
  moment: session.moment(),
  vcpu: vcpu.id,
  registers: readRegisters(vcpu.cpu),
});
