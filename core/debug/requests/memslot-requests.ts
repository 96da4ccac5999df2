/** memslots.*: KVM's own calls, with what they do to the MMU counted. */
import { HVA_BASE } from '../../base/address.ts';
import { ok } from '../../base/result.ts';
import type { MemslotError } from '../../kvm/memslots/memslot-errors.ts';
import type { GenerationEvent, MemslotReport, UserMemoryRegion } from '../../protocol/snapshots.ts';
import { listMemslots } from '../memslot-list.ts';
import { memslotRefused, type Handled } from '../refusal.ts';
import type { RequestFamily } from '../request-table.ts';
import type { Session } from '../session.ts';
import { presentMachine } from './present.ts';

type MemslotNames = 'memslots.read' | 'memslots.preview' | 'memslots.set' | 'memslots.dirtyLog';

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
  'memslots.set': (session, { region }) => setRegion(session, region),
  'memslots.dirtyLog': (session, { slot }) => {
    const log = presentMachine(session).machine.vm.getDirtyLog(slot);
    if (!log.ok) return refusedBy(log.error);
    session.announceChange();
    return ok({ moment: session.moment(), bitmap: log.value });
  },
};

function setRegion(session: Session, region: UserMemoryRegion): Handled<MemslotReport> {
  const { machine, history } = presentMachine(session);
  const set = machine.vm.setUserMemoryRegion(region);
  if (!set.ok) return refusedBy(set.error);
  const report = set.value;
  if (report.change === 'NONE') return ok(report);
  const { insns } = session.moment();
  for (const event of eventsOf(region, report)) history.record({ insns, ...event });
  session.platform.emit({ kind: 'log', level: 'info', text: changeText(region, report) });
  session.announceChange();
  return ok(report);
}

const EVENT_KINDS = { CREATE: 'create', DELETE: 'delete', MOVE: 'move', FLAGS_ONLY: 'flags' } as const;

function eventsOf(region: UserMemoryRegion, report: MemslotReport): readonly Omit<GenerationEvent, 'insns'>[] {
  if (report.change === 'NONE') return [];
  const change = {
    kind: EVENT_KINDS[report.change],
    slot: region.slot,
    before: report.mmioGenerationBefore,
    after: report.mmioGenerationAfter,
    text: changeText(region, report),
  };
  if (report.pagesZapped === 0 && !report.wrapped) return [change];
  const why = report.wrapped ? 'the generation is about to wrap' : `${report.change} of slot ${region.slot}`;
  return [
    change,
    {
      kind: 'zap',
      slot: region.slot,
      before: report.mmioGenerationAfter,
      after: report.mmioGenerationAfter,
      text: `${report.pagesZapped} shadow pages zapped: ${why}`,
    },
  ];
}

function changeText(region: UserMemoryRegion, report: MemslotReport): string {
  const where =
    report.change === 'DELETE'
      ? ''
      : ` gpa 0x${region.guestPhysAddr.toString(16)} + 0x${region.memorySize.toString(16)}`;
  return (
    `slot ${region.slot}: ${report.change}${where}, memslots generation ` +
    `${report.generationBefore} → ${report.generationAfter}`
  );
}

const refusedBy = ({ errno, check, message, collidingSlot }: MemslotError): Handled<never> =>
  memslotRefused({ errno, check, message, collidingSlot });
