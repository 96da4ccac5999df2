/** The public face of the CPU: nobody outside core/x86 imports deeper than this file. */
export { Cpu, type CpuConfig, type EmulatorOps, type ExitsInPlace } from './cpu.ts';
export { cpuidEntry } from './system/cpuid.ts';
export { awaitBus, lockBus, unlockBus } from './exec/bus-lock.ts';
export type { CpuWatch } from './memory/watch.ts';
export * from './system/exits.ts';
export { IF as RFLAGS_IF } from './exec/flags.ts';
/** What KVM's own walker shares with the processor's. */
export { pageFaultCode, permits } from './paging/paging-permission.ts';
export { raisePageFault } from './interrupts/exceptions.ts';
export { nextPageHigh } from './memory/linear-address.ts';
export { VECTOR_GP, VECTOR_PF, VECTOR_UD } from './interrupts/exceptions.ts';
export { PROCESSOR_BITS, reloadPdptes, settleRegisters } from './registers-from-outside.ts';
export { patTypesValid } from './system/msr.ts';
export { noteTableWrite } from './memory/system-code-pages.ts';
/** To be told of a store to guest memory that was not the CPU's own: decodes of it go, on every vCPU. */
export { noteGuestWrite } from './memory/system-code-pages.ts';
/** The software walk of KVM's emulator: the guest's tables read through memslots. */
export { walkGuest } from './paging/paging.ts';
export type { GuestFrames } from './paging/paging-walk.ts';
export { GUEST_WALK_GPA, LAST_ACCESS } from './tlb/tlb-layout.ts';
/** Read, write or fetch: what the last exit was about, which an EPT misconfiguration does not say. */
export { lastAccess, lastAccessIsFinal } from './paging/paging-translate.ts';
export * from './probe/probe.ts';
export { cachedTables, tlbEntries, type CachedTable, type TlbEntry } from './probe/probe-tlb-entries.ts';
export { checkRestoredCpu } from './restored-cpu.ts';
/** Where this processor keeps what, beside core/arena's names: part of what a saved arena depends on. */
export * as ARENA_WORDS_OF_CPU from './tlb/tlb-layout.ts';
