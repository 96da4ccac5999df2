/** memslots.*: KVM's own calls, with what they do to the MMU counted. */
import { HVA_BASE } from '../../base/address.ts';
import { ok } from '../../base/result.ts';
import type { MemslotError } from '../../kvm/memslots/memslot-errors.ts';
import { setRegion } from '../memslots/memslot-changes.ts';
import { listMemslots } from '../memslots/memslot-list.ts';
import { applyRegions, previewRegions } from '../memslots/memslot-lists.ts';
import { memslotRefused, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import { presentMachine } from './present.ts';

type MemslotNames =
  | 'memslots.read'
  | 'memslots.preview'
  | 'memslots.set'
  | 'memslots.previewAll'
  | 'memslots.apply'
  | 'memslots.dirtyLog';

export const memslotRequests: RequestFamily<MemslotNames> = {
  'memslots.read': (session) => {
    const { machine } = presentMachine(session);
    return ok({
      moment: session.moment(),
      slots: listMemslots(machine.arena),
      devices: machine.devices.bus.mmioDevices.map(({ name, gpa, bytes }) => ({
        name,
        gpa: BigInt(gpa),
        size: BigInt(bytes),
      })),
      userSlots: machine.vm.limits.userSlots,
      hvaBase: HVA_BASE,
      hvaBytes: BigInt(machine.arena.layout.config.ramBytes),
    });
  },
  'memslots.preview': (session, { region }) => {
    const preview = presentMachine(session).machine.vm.previewUserMemoryRegion(region);
    return preview.ok ? preview : refusedBy(preview.error);
  },
  'memslots.set': (session, { region }) => {
    const set = setRegion(session, region);
    if (!set.ok) return refusedBy(set.error);
    if (set.value.change !== 'NONE') session.announceChange();
    return set;
  },
  'memslots.previewAll': (session, { regions }) => previewRegions(session, regions),
  'memslots.apply': (session, { regions }) => applyRegions(session, regions),
  'memslots.dirtyLog': (session, { slot }) => {
    const log = presentMachine(session).machine.vm.getDirtyLog(slot);
    if (!log.ok) return refusedBy(log.error);
    session.announceChange();
    return ok({ moment: session.moment(), bitmap: log.value });
  },
};

const refusedBy = ({ errno, check, message, collidingSlot }: MemslotError): Handled<never> =>
  memslotRefused({ errno, check, message, collidingSlot });
