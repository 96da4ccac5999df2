/** The kernel storey's public face. Nobody outside core/kvm imports deeper. */
export type { VmBus } from './bus.ts';
export { noHooks, type KernelLogLevel, type KvmHooks, type PredictedMmioFault } from './hooks.ts';
export * from './vcpu-run.ts';
export { Vcpu } from './vcpu.ts';
export { Vm, type NrMmuPagesError, type VmConfig } from './vm.ts';
export type { MemslotChangeReport, MemslotError, UserMemoryRegion } from './memslot-update.ts';
