/**
 * What the vCPUs' threads are to watch for, on its way through the thread board. It is our own text from our own memory; its
 * length is bounded by the number of breakpoints and the size of a spec.
 */
import { asciiText } from '../base/ascii.ts';
import { jsonText, parseJsonText } from '../protocol/json-text.ts';
import type { ArmedBreakpoint } from './breakpoints/event-watch.ts';
import { isExactExec } from './breakpoints/placed-execution.ts';

export interface ThreadBreakpoint extends ArmedBreakpoint {
  /** Undefined: any. */
  readonly vcpu?: number | undefined;
}

/** Of execution at one address and of MMIO faults the board tells in words of its own. */
export function threadListText(armed: readonly ThreadBreakpoint[]): string {
  const list = armed.flatMap(({ id, spec, vcpu }) => {
    if (spec.kind === 'mmio' || (spec.kind === 'exec' && isExactExec(spec))) return [];
    // Symbols were looked up long ago, and are as long as they like.
    return [{ id, spec: 'symbol' in spec ? { ...spec, symbol: undefined } : spec, vcpu }];
  });
  return list.length === 0 ? '' : jsonText(list);
}

export function readThreadList(bytes: Uint8Array, vcpuId: number): readonly ThreadBreakpoint[] {
  if (bytes.length === 0) return [];
  const list = parseJsonText(asciiText(bytes) ?? '[]') as readonly ThreadBreakpoint[];
  return list.filter(({ vcpu }) => vcpu === undefined || vcpu === vcpuId);
}
