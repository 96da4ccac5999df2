/** The kernel storey's public face. Nobody outside core/kvm imports deeper. */
export type { VmBus } from './bus.ts';
export * from './hooks.ts';
export * from './vcpu/vcpu-run.ts';
export type { KvmSegment, SpecialRegister } from './vcpu/set-sregs.ts';
export type { RegisterRefusal } from './vcpu/sregs-checks.ts';
export { Vcpu } from './vcpu/vcpu.ts';
export { Vm, type NrMmuPagesError, type VmConfig } from './vm.ts';
export type { VmMemslotReport } from './vm-report.ts';
export { MemslotRehearsal } from './memslot-rehearsal.ts';
export type { Mmu } from './mmu/mmu.ts';
export { getSpteHierarchy, type HierarchyEntry } from './probe/probe-hierarchy.ts';
export { probeRmap } from './probe/probe-rmap.ts';
export { probeWalk, type WalkQuestion } from './probe/probe-walk.ts';
export { countMmioSptes, type MmioSpteCount } from './probe/probe-sptes.ts';
export type { MemslotChange, MemslotChangeReport, MemslotError, UserMemoryRegion } from './memslots/memslot-update.ts';
export type { MemslotCheck } from './memslots/memslot-errors.ts';
export * from './memslots/memslots.ts';
export { countDirtyPages } from './memslots/dirty-log.ts';
export * from './eras.ts';
export * from './memslots/limits.ts';
export { readVcpuCounters, readVmCounters, resetCounters } from './trace/stats.ts';
export { setTraceEnabled, traceEnabled } from './trace/trace.ts';
export { checkRestoredVm, vmIdentity } from './restore/restored-vm.ts';
/** Where KVM keeps what, beside core/arena's names: part of what a saved arena depends on. */
export * as ARENA_WORDS_OF_KVM from './mmu/mmu-words.ts';
