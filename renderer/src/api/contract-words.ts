/** Words of the contract that have names only inside its snapshots. */
import type { MachineOptions, MachineStatus, MmioFaultRecord, StatsSnapshot } from '@core/protocol/index.ts';

export type Era = MachineStatus['era'];
export type MmuMode = MachineStatus['mmu'];
export type HostPages = MachineOptions['hostPages'];
export type MmioOutcome = MmioFaultRecord['outcome'];
export type VcpuCounter = keyof StatsSnapshot['vcpu'];
export type VmCounter = keyof StatsSnapshot['vm'];
