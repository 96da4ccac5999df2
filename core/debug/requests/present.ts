/** What a handler may rely on once it has asked: a machine, one of its vCPUs. */
import { UmbraBug } from '../../base/assert.ts';
import { ok } from '../../base/result.ts';
import type { Vcpu } from '../../kvm/index.ts';
import { badRequest, notAllowed, type Handled } from '../refusal.ts';
import type { Debuggee, Session } from '../session.ts';

/** The dispatcher lets no request through that needs a machine when there is none. */
export function presentMachine(session: Session): Debuggee {
  if (session.debuggee === undefined) throw new UmbraBug('a request for a machine came through without one');
  return session.debuggee;
}

export function presentVcpu(session: Session, id: number): Handled<Vcpu> {
  const vcpu = session.vcpu(id);
  if (vcpu !== undefined) return ok(vcpu);
  const count = presentMachine(session).machine.vm.vcpus.length;
  return badRequest(`there is no vCPU ${id}: the machine has ${count}, counted from 0.`);
}

/** A vCPU that stands still. */
export function pausedVcpu(session: Session, id: number, what: string): Handled<Vcpu> {
  if (presentMachine(session).run.running) return notAllowed(`pause the machine before you ${what}.`);
  return presentVcpu(session, id);
}
