/**
 * KVM's debugfs counters under their own names (arch/x86/kvm/x86.c, debugfs_entries of v3.11), in the order in which the
 * arena keeps them: one double per counter.
 */
export const VCPU_COUNTERS = [
  'pf_fixed',
  'pf_guest',
  'tlb_flush',
  'invlpg',
  'exits',
  'io_exits',
  'mmio_exits',
  'signal_exits',
  'irq_window',
  'nmi_window',
  'halt_exits',
  'halt_wakeup',
  'hypercalls',
  'request_irq',
  'irq_exits',
  'host_state_reload',
  'efer_reload',
  'fpu_reload',
  'insn_emulation',
  'insn_emulation_fail',
  'irq_injections',
  'nmi_injections',
] as const;
export const VM_COUNTERS = [
  'mmu_shadow_zapped',
  'mmu_pte_write',
  'mmu_pte_updated',
  'mmu_pde_zapped',
  'mmu_flooded',
  'mmu_recycled',
  'mmu_cache_miss',
  'mmu_unsync',
  'remote_tlb_flush',
  'largepages',
] as const;

export type VcpuCounter = (typeof VCPU_COUNTERS)[number];
export type VmCounter = (typeof VM_COUNTERS)[number];

export const VCPU_COUNTER_INDEX = Object.fromEntries(VCPU_COUNTERS.map((name, i) => [name, i])) as Readonly<
  Record<VcpuCounter, number>
>;
export const VM_COUNTER_INDEX = Object.fromEntries(VM_COUNTERS.map((name, i) => [name, i])) as Readonly<
  Record<VmCounter, number>
>;
