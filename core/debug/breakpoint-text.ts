/** One line that says where and on what a breakpoint stops. */
import type { BreakpointSpec } from '../protocol/snapshots.ts';

const hex = (value: bigint): string => `0x${value.toString(16)}`;

export function breakpointText(spec: BreakpointSpec): string {
  if (spec.kind === 'exec') {
    return spec.symbol === undefined
      ? `execution at ${hex(spec.address)}`
      : `execution at ${spec.symbol} (${hex(spec.address)})`;
  }
  const what = { any: 'MMIO access', read: 'MMIO read', write: 'MMIO write' }[spec.access];
  const where = `gpa ${hex(spec.start)}–${hex(spec.start + spec.length - 1n)}`;
  const outcome = spec.outcomes.length === 0 ? '' : `, outcome ${spec.outcomes.join(' or ')}`;
  const freshness = spec.freshness === 'any' ? '' : `, spte ${spec.freshness}`;
  return `${what} to ${where}${outcome}${freshness}`;
}
