/** Whether an event is one that a breakpoint is for: everything but its condition and its counts. */
import { ACCESS_WORDS, MEMSLOT_CHANGE_WORDS, PORT_WORDS } from '../../protocol/breakpoint-kinds.ts';
import type { BreakpointSpec } from '../../protocol/snapshots.ts';
import { fieldOf, type MachineEvent } from './machine-event.ts';

type Ranged = { readonly start: bigint | number; readonly length: bigint | number };

const overlaps = (range: Ranged, start: bigint, length: bigint): boolean =>
  start < BigInt(range.start) + BigInt(range.length) && start + length > BigInt(range.start);

const PF_PRESENT = 1n;
const PF_RSVD = 8n;

/** Bytes that an entry of a table of that level maps. */
export const bytesOfLevel = (level: bigint): bigint => 4096n << (9n * (level - 1n));

/** MMIO faults, executions and data accesses are matched where they are met (numbers, and addresses by space). */
export function eventMatches(spec: BreakpointSpec, event: MachineEvent): boolean {
  const value = (name: string): bigint => fieldOf(event, name);
  switch (spec.kind) {
    case 'exception':
      return spec.vectors.length === 0 || spec.vectors.includes(Number(value('vector')));
    case 'page-fault': {
      if (!overlaps(spec, value('gva'), 1n)) return false;
      const code = value('errorCode');
      const cause = (code & PF_RSVD) !== 0n ? 'reserved' : (code & PF_PRESENT) !== 0n ? 'protection' : 'not-present';
      const access = ACCESS_WORDS[Number(value('access'))];
      const privilege = value('user') !== 0n ? 'user' : 'supervisor';
      return (
        (spec.cause === 'any' || spec.cause === cause) &&
        (spec.access === 'any' || spec.access === access) &&
        (spec.privilege === 'any' || spec.privilege === privilege)
      );
    }
    case 'port': {
      const access = PORT_WORDS[Number(value('access'))];
      return overlaps(spec, value('port'), value('size')) && (spec.access === 'any' || spec.access === access);
    }
    case 'spte':
      return (
        (value('changed') & spec.mask) !== 0n &&
        (spec.level === undefined || BigInt(spec.level) === value('level')) &&
        overlaps(spec, value('gpa'), bytesOfLevel(value('level')))
      );
    case 'gpte':
      return (value('changed') & spec.mask) !== 0n && overlaps(spec, value('gpa'), value('size'));
    case 'memslot': {
      const change = MEMSLOT_CHANGE_WORDS[Number(value('change'))];
      return (
        (spec.slot === undefined || BigInt(spec.slot) === value('slot')) &&
        (spec.changes.length === 0 || spec.changes.includes(change))
      );
    }
    case 'zap':
      return (
        overlaps(spec, value('gpa'), 512n * bytesOfLevel(value('level'))) &&
        (spec.level === undefined || BigInt(spec.level) === value('level'))
      );
    default:
      return spec.kind === event.kind;
  }
}
