/** What of the MMIO log is shown: a condition on each of its columns. */
import type { DeviceRange, MmioFaultRecord } from '@core/protocol/index.ts';
import type { MmioOutcome } from '../api/contract-words.ts';
import type { BreakpointDraft } from './breakpoint-form.ts';

export interface MmioFilter {
  readonly outcome: MmioOutcome | 'any';
  readonly access: MmioFaultRecord['access'] | 'any';
  /** Of the spte that was found; `none`: there was none. */
  readonly freshness: 'any' | 'fresh' | 'stale' | 'none';
  readonly vcpu: number | 'any';
  /** A device by its name, else who claimed the access. */
  readonly device: string;
  /** `e0000`, or `e0000-e00ff`: gfns, inclusive, hexadecimal. Empty: all. */
  readonly gfns: string;
}

export const ANY_FAULT: MmioFilter = {
  outcome: 'any',
  access: 'any',
  freshness: 'any',
  vcpu: 'any',
  device: 'any',
  gfns: '',
};

export interface GfnRange {
  readonly first: number;
  readonly last: number;
}

const GFN = /^(?:0x)?([0-9a-f]{1,10})$/i;

/** @returns undefined for what is no range */
export function parseGfns(text: string): GfnRange | undefined {
  const [low, high, ...rest] = text.split('-').map((part) => GFN.exec(part.trim())?.[1]);
  if (low === undefined || rest.length > 0 || (text.includes('-') && high === undefined)) return undefined;
  const first = Number.parseInt(low, 16);
  const last = high === undefined ? first : Number.parseInt(high, 16);
  return last < first ? undefined : { first, last };
}

export const claimOf = ({ claim, device }: MmioFaultRecord): string =>
  claim === 'device' ? (device ?? 'device') : claim;

export function freshnessOf({ spteGen, kvmGen }: MmioFaultRecord): 'fresh' | 'stale' | 'none' {
  if (spteGen < 0) return 'none';
  return spteGen === kvmGen ? 'fresh' : 'stale';
}

/** A range that does not parse shows nothing: who types sees at once that it is none. */
export function mmioPredicate(filter: MmioFilter): (record: MmioFaultRecord) => boolean {
  const { outcome, access, freshness, vcpu, device } = filter;
  const gfns = filter.gfns.trim() === '' ? { first: 0, last: Infinity } : parseGfns(filter.gfns);
  return (record) => {
    const gfn = Number(record.gpa >> 12n);
    return (
      gfns !== undefined &&
      gfn >= gfns.first &&
      gfn <= gfns.last &&
      (outcome === 'any' || record.outcome === outcome) &&
      (access === 'any' || record.access === access) &&
      (vcpu === 'any' || record.vcpu === vcpu) &&
      (freshness === 'any' || freshnessOf(record) === freshness) &&
      (device === 'any' || claimOf(record) === device)
    );
  };
}

export const isAny = (filter: MmioFilter): boolean =>
  Object.entries(ANY_FAULT).every(([name, value]) => filter[name as keyof MmioFilter] === value);

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** What `device` stands for, before the fault is handled. A device that is not there any more claims nothing. */
function claimCondition(device: string, ranges: readonly DeviceRange[]): string {
  if (device === 'none' || device === 'unsatisfied') return `event.claim == "${device}"`;
  const places = ranges
    .filter(({ name }) => name === device)
    .map(({ gpa, size }) => `event.gpa >= ${hex(gpa)} && event.gpa < ${hex(gpa + size)}`);
  const place = places.length === 1 ? places[0] : places.map((one) => `(${one})`).join(' || ');
  return place === '' ? '0' : `event.claim == "device" && ${places.length > 1 ? `(${place})` : place}`;
}

/** The log names the spte that a fault looked up: none, when the vCPU's cache answered. */
const freshnessCondition = (freshness: MmioFilter['freshness']): string =>
  freshness === 'none' ? '(event.generation == -1 || event.outcome == "CACHED")' : 'event.outcome != "CACHED"';

/**
 * A breakpoint for the faults that the filter shows; undefined when the range is none. What a breakpoint on MMIO faults has no
 * word for is its condition.
 */
export function filterAsBreakpoint(
  { outcome, access, freshness, vcpu, device, gfns }: MmioFilter,
  devices: readonly DeviceRange[],
): BreakpointDraft | undefined {
  const range = gfns.trim() === '' ? { first: 0, last: 2 ** 40 - 1 } : parseGfns(gfns);
  if (range === undefined) return undefined;
  const conditions = [
    ...(access === 'fetch' ? ['event.access == "fetch"'] : []),
    ...(freshness === 'any' ? [] : [freshnessCondition(freshness)]),
    ...(device === 'any' ? [] : [claimCondition(device, devices)]),
  ];
  return {
    spec: {
      kind: 'mmio',
      start: BigInt(range.first) << 12n,
      length: BigInt(range.last - range.first + 1) << 12n,
      access: access === 'fetch' ? 'any' : access,
      outcomes: outcome === 'any' ? [] : [outcome],
      freshness: freshness === 'none' ? 'any' : freshness,
    },
    ...(conditions.length === 0 ? {} : { condition: conditions.join(' && ') }),
    ...(vcpu === 'any' ? {} : { vcpu }),
  };
}
