/** Memslot changes that happen: carried out, noted in the history of the generation, said in the log. */
import { formatPlural } from '../../format/quantity.ts';
import type { MemslotError } from '../../kvm/memslots/memslot-errors.ts';
import type { Result } from '../../base/result.ts';
import type { GenerationEvent, MemslotReport, MemslotSnapshot, UserMemoryRegion } from '../../protocol/snapshots.ts';
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '../../kvm/memslots/limits.ts';
import { presentMachine } from '../requests/present.ts';
import type { Session } from '../session.ts';

/** KVM_SET_USER_MEMORY_REGION. Who has made all the calls announces that something has changed. */
export function setRegion(session: Session, region: UserMemoryRegion): Result<MemslotReport, MemslotError> {
  const { machine, hooks } = presentMachine(session);
  hooks.beforeMemslotChange();
  const set = machine.vm.setUserMemoryRegion(region);
  if (set.ok && set.value.change !== 'NONE') noteChange(session, region, set.value);
  return set;
}

/** A change has happened: into the history of the generation, and into the log. */
export function noteChange(session: Session, region: UserMemoryRegion, report: MemslotReport): void {
  const { history } = presentMachine(session);
  const { insns } = session.moment();
  for (const event of eventsOf(region, report)) history.record({ insns, ...event });
  const text = `${changeText(region, report)}: ${effectText(report)}`;
  session.platform.emit({ kind: 'log', level: 'info', text });
}

/** The call that takes a change back; undefined for one that changed nothing. @param old the slot as it was before */
export function inverseOf(
  region: UserMemoryRegion,
  { change }: MemslotReport,
  old: MemslotSnapshot | undefined,
): UserMemoryRegion | undefined {
  if (change === 'NONE') return undefined;
  if (old === undefined) {
    return { slot: region.slot, flags: 0, guestPhysAddr: 0n, memorySize: 0n, userspaceAddr: 0n };
  }
  return {
    slot: old.id,
    flags: (old.logDirtyPages ? KVM_MEM_LOG_DIRTY_PAGES : 0) | (old.readonly ? KVM_MEM_READONLY : 0),
    guestPhysAddr: old.gpa,
    memorySize: old.size,
    userspaceAddr: old.hva,
  };
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

const effectText = ({ mmioSptesGoneStale, pagesZapped, pagesWalkedBefore }: MemslotReport): string =>
  `${formatPlural(mmioSptesGoneStale, 'MMIO spte')} gone stale, ${formatPlural(pagesZapped, 'shadow page')} zapped, ` +
  `${formatPlural(pagesWalkedBefore, 'page')} that v3.10 would have walked`;
