/** Changes of memslots that are prepared: one for each slot, in the order in which they are to be made. */
import type { MemslotOutcome, MemslotReport, MemslotSnapshot, UserMemoryRegion } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { formatSize } from '@core/format/quantity.ts';
import { KVM_MEM_READONLY, regionOfSlot } from './region-draft.ts';

/** What a slot is to become; of size 0 it is to go. */
export interface StagedChange {
  readonly slot: number;
  readonly target: UserMemoryRegion;
}

export type ChangeShape = 'create' | 'delete' | 'move' | 'flags' | 'replace' | 'nothing';

const slotOf = (slots: readonly MemslotSnapshot[], id: number): MemslotSnapshot | undefined =>
  slots.find((slot) => slot.id === id);

/** KVM changes neither size nor host memory nor the read-only flag of a slot that exists. */
function needsReplacing(old: UserMemoryRegion, target: UserMemoryRegion): boolean {
  return (
    old.memorySize !== target.memorySize ||
    old.userspaceAddr !== target.userspaceAddr ||
    ((old.flags ^ target.flags) & KVM_MEM_READONLY) !== 0
  );
}

export function shapeOf({ slot, target }: StagedChange, slots: readonly MemslotSnapshot[]): ChangeShape {
  const present = slotOf(slots, slot);
  if (target.memorySize === 0n) return 'delete';
  if (present === undefined) return 'create';
  const old = regionOfSlot(present);
  if (needsReplacing(old, target)) return 'replace';
  if (old.guestPhysAddr !== target.guestPhysAddr) return 'move';
  return old.flags === target.flags ? 'nothing' : 'flags';
}

/** The calls of KVM_SET_USER_MEMORY_REGION that the change takes. */
export function callsOf(change: StagedChange, slots: readonly MemslotSnapshot[]): readonly UserMemoryRegion[] {
  const { target } = change;
  return shapeOf(change, slots) === 'replace' ? [{ ...target, memorySize: 0n }, target] : [target];
}

/** A slot has one change: a later one takes the place of the earlier. */
export function stage(list: readonly StagedChange[], target: UserMemoryRegion): readonly StagedChange[] {
  const change = { slot: target.slot, target };
  return list.some(({ slot }) => slot === target.slot)
    ? list.map((one) => (one.slot === target.slot ? change : one))
    : [...list, change];
}

const isSameTarget = (one: UserMemoryRegion, other: UserMemoryRegion): boolean =>
  one.flags === other.flags && one.guestPhysAddr === other.guestPhysAddr && !needsReplacing(one, other);

export const isSameList = (one: readonly StagedChange[], other: readonly StagedChange[]): boolean =>
  one.length === other.length &&
  one.every(({ slot, target }, i) => slot === other[i].slot && isSameTarget(target, other[i].target));

/** Moves one up or down the list, as far as there is room. */
export function reorder(list: readonly StagedChange[], index: number, distance: number): readonly StagedChange[] {
  const to = Math.min(list.length - 1, Math.max(0, index + distance));
  const rest = list.filter((_one, i) => i !== index);
  return [...rest.slice(0, to), list[index], ...rest.slice(to)];
}

const SHAPE_WORDS: Readonly<Record<ChangeShape, string>> = {
  create: 'create',
  delete: 'delete',
  move: 'move',
  flags: 'change flags of',
  replace: 'delete and create',
  nothing: 'leave',
};

/** `move slot 2 to 0xe0001000 + 4 KiB` */
export function changeText(change: StagedChange, slots: readonly MemslotSnapshot[]): string {
  const shape = shapeOf(change, slots);
  const { guestPhysAddr, memorySize } = change.target;
  const place = `${formatAddress(guestPhysAddr)} + ${formatSize(memorySize)}`;
  const where = shape === 'delete' ? '' : shape === 'move' ? ` to ${place}` : ` at ${place}`;
  return `${SHAPE_WORDS[shape]} slot ${change.slot}${where}`;
}

/** What the calls of one change come to together. */
export interface ChangeTotals {
  readonly changes: readonly MemslotReport['change'][];
  readonly generationBefore: bigint;
  readonly generationAfter: bigint;
  readonly mmioGenerationBefore: number;
  readonly mmioGenerationAfter: number;
  readonly mmioSptesGoneStale: number;
  readonly pagesZapped: number;
  readonly pagesWalkedBefore: number;
  readonly wrapped: boolean;
}

export function totalsOf(reports: readonly MemslotReport[]): ChangeTotals | undefined {
  const first = reports.at(0);
  const last = reports.at(-1);
  if (first === undefined || last === undefined) return undefined;
  const sum = (of: (report: MemslotReport) => number): number => reports.reduce((all, one) => all + of(one), 0);
  return {
    changes: reports.map(({ change }) => change),
    generationBefore: first.generationBefore,
    generationAfter: last.generationAfter,
    mmioGenerationBefore: first.mmioGenerationBefore,
    mmioGenerationAfter: last.mmioGenerationAfter,
    mmioSptesGoneStale: sum(({ mmioSptesGoneStale }) => mmioSptesGoneStale),
    pagesZapped: sum(({ pagesZapped }) => pagesZapped),
    pagesWalkedBefore: sum(({ pagesWalkedBefore }) => pagesWalkedBefore),
    wrapped: reports.some(({ wrapped }) => wrapped),
  };
}

export type ChangeVerdict =
  | { readonly kind: 'report'; readonly totals: ChangeTotals }
  | { readonly kind: 'refusal'; readonly refusal: Extract<MemslotOutcome, { kind: 'refusal' }>['refusal'] }
  /** A change before it would be refused. */
  | { readonly kind: 'unreached' };

/** @param outcomes of the calls of one change */
function verdictOf(outcomes: readonly MemslotOutcome[]): ChangeVerdict {
  for (const outcome of outcomes) if (outcome.kind !== 'report') return outcome;
  const totals = totalsOf(outcomes.flatMap((one) => (one.kind === 'report' ? [one.report] : [])));
  return totals === undefined ? { kind: 'unreached' } : { kind: 'report', totals };
}

/** Deals the outcomes of all calls out to the changes that made them. @param calls how many each change makes */
export function verdictsOf(calls: readonly number[], outcomes: readonly MemslotOutcome[]): readonly ChangeVerdict[] {
  let at = 0;
  return calls.map((count) => {
    at += count;
    return verdictOf(outcomes.slice(at - count, at));
  });
}

/** What all that were not refused come to. */
export function sumOfVerdicts(verdicts: readonly ChangeVerdict[]): ChangeTotals | undefined {
  const totals = verdicts.flatMap((verdict) => (verdict.kind === 'report' ? [verdict.totals] : []));
  const first = totals.at(0);
  const last = totals.at(-1);
  if (first === undefined || last === undefined) return undefined;
  return {
    changes: totals.flatMap(({ changes }) => changes),
    generationBefore: first.generationBefore,
    generationAfter: last.generationAfter,
    mmioGenerationBefore: first.mmioGenerationBefore,
    mmioGenerationAfter: last.mmioGenerationAfter,
    mmioSptesGoneStale: totals.reduce((sum, one) => sum + one.mmioSptesGoneStale, 0),
    pagesZapped: totals.reduce((sum, one) => sum + one.pagesZapped, 0),
    pagesWalkedBefore: totals.reduce((sum, one) => sum + one.pagesWalkedBefore, 0),
    wrapped: totals.some(({ wrapped }) => wrapped),
  };
}

/** Whether what was done is what was foretold, number by number. */
export function isKept(promised: ChangeVerdict | undefined, done: ChangeVerdict): boolean {
  if (promised?.kind !== 'report' || done.kind !== 'report') return promised?.kind === done.kind;
  const of = ({ changes, ...rest }: ChangeTotals): string => [...changes, ...Object.values(rest)].join(' ');
  return of(promised.totals) === of(done.totals);
}
