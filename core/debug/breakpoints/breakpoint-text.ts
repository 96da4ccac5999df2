/** One line that says where and on what a breakpoint stops. */
import { EXCEPTION_NAMES } from '../../protocol/breakpoint-kinds.ts';
import type { BreakpointSpec } from '../../protocol/snapshots.ts';

const U64_END = 1n << 64n;
const GPA_END = 1n << 52n;
const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** `0x1000–0x1fff`; one address; or nothing at all for a range that is everything. */
function rangeText(start: bigint, length: bigint, end: bigint): string {
  if (start === 0n && length >= end) return '';
  return length === 1n ? hex(start) : `${hex(start)}–${hex(start + length - 1n)}`;
}

const within = (preposition: string, space: string, start: bigint, length: bigint, end: bigint): string => {
  const range = rangeText(start, length, end);
  return range === '' ? '' : ` ${preposition} ${space} ${range}`;
};

const bitsText = (mask: bigint): string => (mask === U64_END - 1n ? '' : `, bits ${hex(mask)}`);

const levelText = (level: number | undefined): string => (level === undefined ? '' : `, level ${level}`);

export function breakpointText(spec: BreakpointSpec): string {
  switch (spec.kind) {
    case 'exec': {
      const range = rangeText(spec.address, spec.length ?? 1n, U64_END);
      if (spec.symbol !== undefined) return `execution at ${spec.symbol} (${range})`;
      return `execution at ${spec.space === 'gpa' ? 'gpa ' : ''}${range}`;
    }
    case 'data': {
      const what = { any: 'access to', read: 'read of', write: 'write to' }[spec.access];
      const name = spec.symbol === undefined ? '' : `${spec.symbol}, `;
      return `${what} ${name}${spec.space} ${rangeText(spec.start, spec.length, U64_END)}`;
    }
    case 'exception':
      return spec.vectors.length === 0
        ? 'any exception of the guest'
        : `exception ${spec.vectors.map((vector) => EXCEPTION_NAMES[vector]).join(', ')}`;
    case 'page-fault': {
      const privilege = spec.privilege === 'any' ? '' : ` by the ${spec.privilege}`;
      const cause = spec.cause === 'any' ? '' : `, ${spec.cause}`;
      const access = spec.access === 'any' ? '' : ` on ${spec.access}`;
      return `guest page fault${access}${privilege}${within('at', 'gva', spec.start, spec.length, U64_END)}${cause}`;
    }
    case 'port': {
      const what = { any: 'access to', in: 'read of', out: 'write to' }[spec.access];
      const range = rangeText(BigInt(spec.start), BigInt(spec.length), 0x1_0000n);
      return range === '' ? `${what} any port` : `${what} port ${range}`;
    }
    case 'spte':
      return `spte change${within('for', 'gpa', spec.start, spec.length, GPA_END)}${levelText(spec.level)}${bitsText(spec.mask)}`;
    case 'gpte':
      return `guest page-table change${within('at', 'gpa', spec.start, spec.length, GPA_END)}${bitsText(spec.mask)}`;
    case 'memslot': {
      const what = spec.changes.length === 0 ? 'any change' : spec.changes.join(' or ');
      return `${what} of ${spec.slot === undefined ? 'any memslot' : `memslot ${spec.slot}`}`;
    }
    case 'generation-wrap':
      return 'wrap-around of the generation';
    case 'zap':
      return `zap of a shadow page${within('for', 'gpa', spec.start, spec.length, GPA_END)}${levelText(spec.level)}`;
    case 'mmio': {
      const what = { any: 'MMIO access to', read: 'MMIO read of', write: 'MMIO write to' }[spec.access];
      const range = rangeText(spec.start, spec.length, GPA_END);
      const where = range === '' ? 'any gpa' : `gpa ${range}`;
      const outcome = spec.outcomes.length === 0 ? '' : `, outcome ${spec.outcomes.join(' or ')}`;
      const freshness = spec.freshness === 'any' ? '' : `, spte ${spec.freshness}`;
      return `${what} ${where}${outcome}${freshness}`;
    }
  }
}
