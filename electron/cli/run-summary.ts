/** What a run came to, for people as a line and for programs as JSON. */
import { describeStop } from '../../core/format/stop-reason.ts';
import type { MachineStatus, Moment, StatsSnapshot } from '../../core/protocol/snapshots.ts';
import { STATUS_INTERRUPTED, STATUS_LIMIT, STATUS_MACHINE, STATUS_OK } from './exit-status.ts';

/** How a run ended where the machine itself does not say it. */
export type RunEnd = 'stopped' | 'starved' | 'interrupted';

/** The exit status that a machine's state comes to. `limit` is --max-insns. */
export function exitStatusOf(status: MachineStatus, limit: number, end: RunEnd): number {
  if (end === 'interrupted') return STATUS_INTERRUPTED;
  switch (status.reason.kind) {
    case 'exited':
      return status.reason.status;
    case 'error':
    case 'shutdown':
      return STATUS_MACHINE;
    case 'paused':
      return status.moment.insns >= limit ? STATUS_LIMIT : STATUS_OK;
    default:
      return STATUS_OK;
  }
}

const ENDS: Readonly<Record<Exclude<RunEnd, 'stopped'>, string>> = {
  starved: 'halted, waiting for input, and there is no more',
  interrupted: 'interrupted',
};

export function summaryLine(status: MachineStatus, limit: number, end: RunEnd): string {
  const { reason, moment, state } = status;
  const isLimit = reason.kind === 'paused' && moment.insns >= limit;
  const stop = isLimit ? `stopped at --max-insns ${limit}` : describeStop(reason) || state;
  return `${end === 'stopped' ? stop : ENDS[end]}, ${afterInsns(moment)}`;
}

/** `after 1 instruction`, digits ungrouped: whoever reads it may be a program. */
export const afterInsns = ({ insns }: Moment): string => `after ${insns} instruction${insns === 1 ? '' : 's'}`;

export interface RunSummary {
  readonly status: MachineStatus;
  readonly stats: StatsSnapshot;
  readonly exitStatus: number;
  readonly breakpointHits: number;
  readonly hostMilliseconds: number;
}

/** One line. Everything but `host` is the same for every run of the same guest with the same options and input. */
export function summaryJson({ status, stats, exitStatus, breakpointHits, hostMilliseconds }: RunSummary): string {
  const { moment } = status;
  return toJson({
    image: status.image,
    exitStatus,
    state: status.state,
    reason: status.reason,
    mmu: status.mmu,
    era: status.era,
    maxPhyAddr: status.maxPhyAddr,
    l1tfCacheBits: status.l1tfCacheBits ?? null,
    hostPages: status.hostPages,
    eptAd: status.eptAd,
    threads: status.threads,
    vcpus: status.vcpus.length,
    ramBytes: status.ramBytes,
    insns: moment.insns,
    memslotsGeneration: moment.memslotsGeneration,
    mmioGeneration: moment.mmioGeneration,
    rip: status.vcpus.map(({ rip }) => rip),
    breakpointHits,
    vcpu: stats.vcpu,
    vm: stats.vm,
    usedMmuPages: stats.usedMmuPages,
    maxMmuPages: stats.maxMmuPages,
    host: {
      milliseconds: Math.round(hostMilliseconds),
      insnsPerSecond: hostMilliseconds > 0 ? Math.round((moment.insns * 1000) / hostMilliseconds) : 0,
    },
  });
}

/** 64-bit values become hexadecimal strings. */
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_key, part: unknown) => (typeof part === 'bigint' ? `0x${part.toString(16)}` : part), indent);
