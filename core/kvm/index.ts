/** The kernel storey's public face. Nobody outside core/kvm imports deeper. */
export type { VmBus } from './bus.ts';
export { noHooks, type KernelLogLevel, type KvmHooks, type PredictedMmioFault } from './hooks.ts';
export * from './vcpu-run.ts';
export { Vcpu } from './vcpu.ts';
export { Vm, type NrMmuPagesError, type VmConfig } from './vm.ts';
export type { VmMemslotReport } from './vm-report.ts';
export type { Mmu } from './mmu.ts';
export { getSpteHierarchy, type HierarchyEntry } from './probe-hierarchy.ts';
export { countMmioSptes, type MmioSpteCount } from './probe-sptes.ts';
export type { MemslotChange, MemslotChangeReport, MemslotError, UserMemoryRegion } from './memslot-update.ts';
export type { MemslotCheck } from './memslot-errors.ts';
export * from './memslots.ts';
export { countDirtyPages } from './dirty-log.ts';
export * from './eras.ts';
export * from './limits.ts';
export { readVcpuCounters, readVmCounters, resetCounters } from './stats.ts';
export { setTraceEnabled, traceEnabled } from './trace.ts';
