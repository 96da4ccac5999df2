/** What each of KVM's counters counts, of every era. Where it is counted: core/base/counters.ts. */
import { GAUGE_COUNTERS } from '@core/protocol/index.ts';
import type { VcpuCounter, VmCounter } from '../api/contract-words.ts';

const COUNTED = {
  pf_fixed: 'Faults for which KVM installed an spte, or tried to; in v6.8, only those that an spte was changed for.',
  pf_guest: 'Page faults that were the guest’s own and were injected into it.',
  tlb_flush:
    'Times that a vCPU was asked to flush its own TLB; in v6.8, that it flushed it when it was asked, by whomever.',
  pf_taken: 'Memory faults that were no MMIO known already.',
  pf_emulate: 'Of those faults, the ones after which KVM executed the instruction in the processor’s stead.',
  pf_spurious: 'Of those faults, the ones whose spte was already as it had to be.',
  pf_fast: 'Faults that were settled without mmu_lock.',
  pf_mmio_spte_created: 'MMIO sptes that faults have made.',
  invlpg: 'INVLPG instructions that KVM carried out for the guest (shadow paging only).',
  exits: 'Exits from guest mode, of whatever kind.',
  io_exits: 'Port accesses that left for user space.',
  mmio_exits:
    'MMIO accesses whose emulation left for user space. v3.11 does not count those that came by an EPT misconfiguration.',
  signal_exits: 'Returns to user space because a signal was pending.',
  irq_window: 'Exits at the first moment at which the guest could take an interrupt that was waiting.',
  nmi_window: 'The same for a non-maskable interrupt.',
  halt_exits: 'HLT instructions.',
  halt_wakeup:
    'Times that something woke a vCPU that slept in KVM. Here HLT goes to user space, and none sleeps there.',
  hypercalls: 'VMCALL and VMMCALL instructions of the guest.',
  request_irq: 'Times that user space asked to be told when an interrupt can be injected.',
  irq_exits: 'Exits because an interrupt of the host came in.',
  host_state_reload: 'Times that the host’s segments and MSRs were put back before leaving KVM.',
  efer_reload: 'Times that EFER had to be changed between guest and host.',
  fpu_reload: 'Times that the guest’s floating-point state was loaded.',
  insn_emulation: 'Instructions that KVM executed in the processor’s stead.',
  insn_emulation_fail: 'Instructions that the emulator could not execute.',
  irq_injections: 'Interrupts injected into the guest.',
  nmi_injections: 'Non-maskable interrupts injected into the guest.',
  mmu_shadow_zapped: 'Shadow pages handed to kvm_mmu_prepare_zap_page.',
  mmu_pte_write: 'Writes to guest memory that were checked against shadowed page tables.',
  mmu_pte_updated: 'Such writes to a leaf entry that became an update of an spte.',
  mmu_pde_zapped: 'Such writes to an entry of an upper level, whose spte was dropped.',
  mmu_flooded:
    'Shadow pages zapped because the guest wrote to their table again and again, or not as one writes entries.',
  mmu_recycled: 'Shadow pages zapped because the page quota was used up.',
  mmu_cache_miss: 'Shadow pages newly made.',
  mmu_unsync: 'Shadow pages that are out of sync with the guest’s table now; a gauge, not a count.',
  remote_tlb_flush: 'TLB flushes for which other vCPUs had to be interrupted.',
  remote_tlb_flush_requests: 'TLB flushes of all vCPUs, whether or not one had to be interrupted.',
  largepages:
    'Large sptes now; a gauge. In v3.11 it drifts: an MMIO spte whose generation has bit 4 set counts as one.',
  pages_4k: 'Sptes now that map 4 KiB of guest memory; a gauge.',
  pages_2m: 'Sptes now that map 2 MiB of guest memory; a gauge.',
  pages_1g: 'Sptes now that map 1 GiB of guest memory; a gauge.',
  max_mmu_rmap_size: 'The most sptes that a frame had when one more came to map it.',
  max_mmu_page_hash_collisions: 'The most shadow pages of other frames that one search of the hash came by.',
} as const;

/** By the names of every era: v6.8 has new ones for three. */
export const COUNTER_WORDS: Readonly<Record<VcpuCounter | VmCounter, string>> = {
  ...COUNTED,
  irq_window_exits: COUNTED.irq_window,
  nmi_window_exits: COUNTED.nmi_window,
  request_irq_exits: COUNTED.request_irq,
};

/** Gauges go up and down, and the greatest of something is no count: a rate of them means nothing. */
export const NO_RATE: ReadonlySet<string> = new Set([
  ...GAUGE_COUNTERS,
  'max_mmu_rmap_size',
  'max_mmu_page_hash_collisions',
]);
