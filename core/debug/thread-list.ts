/**
 * What the vCPUs' threads are to watch for, on its way through the thread board. It is our own text from our own memory; its
 * length is bounded by the number of breakpoints and the size of a spec.
 */
import { asciiText } from '../base/ascii.ts';
import { jsonText, parseJsonText } from '../protocol/json-text.ts';
import type { BreakpointKind } from '../protocol/snapshots.ts';
import type { ArmedBreakpoint } from './breakpoints/event-watch.ts';
import { isExactExec } from './breakpoints/placed-execution.ts';

export interface ThreadBreakpoint extends ArmedBreakpoint {
  /** Undefined: any. */
  readonly vcpu?: number | undefined;
}

/** Those of STANDS_BEFORE. */
export type MetKind = Extract<BreakpointKind, 'port' | 'exception' | 'page-fault'>;

/** What a vCPU stands in front of and has been told of: it is not met again there, nor where the machine is opened. */
export interface MetInFront {
  readonly vcpu: number;
  readonly kind: MetKind;
  readonly vector: number;
  /** Where: instructions that the vCPU had retired, and its rip. */
  readonly insns: number;
  readonly rip: bigint;
}

interface ThreadList {
  readonly armed: readonly ThreadBreakpoint[];
  readonly met: readonly MetInFront[];
}

/** Of execution at one address and of MMIO faults the board tells in words of its own. */
export function threadListText(armed: readonly ThreadBreakpoint[], met: readonly MetInFront[]): string {
  const list = armed.flatMap(({ id, spec, vcpu }) => {
    if (spec.kind === 'mmio' || (spec.kind === 'exec' && isExactExec(spec))) return [];
    // Symbols were looked up long ago, and are as long as they like.
    return [{ id, spec: 'symbol' in spec ? { ...spec, symbol: undefined } : spec, vcpu }];
  });
  return list.length === 0 ? '' : jsonText({ armed: list, met });
}

/** As far as it is for one vCPU. */
export function readThreadList(bytes: Uint8Array, vcpuId: number): ThreadList {
  if (bytes.length === 0) return { armed: [], met: [] };
  const { armed, met } = parseJsonText(asciiText(bytes) ?? '{"armed":[],"met":[]}') as ThreadList;
  return {
    armed: armed.filter(({ vcpu }) => vcpu === undefined || vcpu === vcpuId),
    met: met.filter(({ vcpu }) => vcpu === vcpuId),
  };
}
