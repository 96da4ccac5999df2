/** walk.read and rmap.read: one address through both trees, and one frame with everything that maps it. */
import { VCPU_CPL } from '../../arena/vcpu-layout.ts';
import { ok } from '../../base/result.ts';
import { probeRmap, probeWalk } from '../../kvm/index.ts';
import { guestPagingMode } from '../../x86/index.ts';
import { badRequest } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine, presentVcpu } from './present.ts';

export const walkRequests: RequestFamily<'walk.read' | 'rmap.read'> = {
  'walk.read': (session, { vcpu: id, space, address, access, user }) => {
    const vcpu = presentVcpu(session, id);
    if (!vcpu.ok) return vcpu;
    const { vm } = presentMachine(session).machine;
    const { r } = vcpu.value.cpu;
    if (space === 'gpa' && vm.config.mmu === 'shadow' && guestPagingMode(r) !== 'none') {
      return badRequest(
        "a shadow page table is looked up by linear addresses: walk a gva, or ask for the frame's reverse map.",
      );
    }
    const question = { space, address, access, user: user ?? r[VCPU_CPL] === 3 };
    return ok({ moment: session.moment(), walk: probeWalk(vm.mmu, id, question) });
  },
  'rmap.read': (session, { gfn }) => {
    const { vm } = presentMachine(session).machine;
    return ok({ moment: session.moment(), rmap: probeRmap(vm.mmu, gfn) });
  },
};
