/**
 * KVM's debugfs counters: one double in the arena for each, in the order of these two lists. Which of them a kernel has, under
 * which name and in which order it lists them, follows from the era: debugfs_entries of arch/x86/kvm/x86.c is the same in v3.10,
 * v3.11 and v3.17; v6.8 has kvm_vcpu_stats_desc and kvm_vm_stats_desc, with the generic ones of include/linux/kvm_host.h before.
 */
import type { Era } from './machine-modes.ts';

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
  'pf_taken',
  'pf_emulate',
  'pf_spurious',
  'pf_fast',
  'pf_mmio_spte_created',
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
  'remote_tlb_flush_requests',
  'pages_4k',
  'pages_2m',
  'pages_1g',
  'max_mmu_rmap_size',
  'max_mmu_page_hash_collisions',
] as const;

export type VcpuCounter = (typeof VCPU_COUNTERS)[number];
export type VmCounter = (typeof VM_COUNTERS)[number];

export const VCPU_COUNTER_INDEX = Object.fromEntries(VCPU_COUNTERS.map((name, i) => [name, i])) as Readonly<
  Record<VcpuCounter, number>
>;
export const VM_COUNTER_INDEX = Object.fromEntries(VM_COUNTERS.map((name, i) => [name, i])) as Readonly<
  Record<VmCounter, number>
>;

/** What is there now, up and down; no count of events. */
export const GAUGE_COUNTERS: ReadonlySet<string> = new Set<VmCounter>([
  'mmu_unsync',
  'largepages',
  'pages_4k',
  'pages_2m',
  'pages_1g',
]);

/** Names that v6.8 gave to counters of v3.11. */
type RenamedCounter = 'irq_window_exits' | 'nmi_window_exits' | 'request_irq_exits';
/** Counters that every era has, under the same name. */
type LastingVcpuCounter = Exclude<
  VcpuCounter,
  | 'irq_window'
  | 'nmi_window'
  | 'request_irq'
  | 'efer_reload'
  | 'pf_taken'
  | 'pf_emulate'
  | 'pf_spurious'
  | 'pf_fast'
  | 'pf_mmio_spte_created'
>;
type LastingVmCounter =
  | 'mmu_shadow_zapped'
  | 'mmu_pte_write'
  | 'mmu_pde_zapped'
  | 'mmu_flooded'
  | 'mmu_recycled'
  | 'mmu_cache_miss'
  | 'mmu_unsync'
  | 'remote_tlb_flush';

export type VcpuCounterName = VcpuCounter | RenamedCounter;
export type VmCounterName = VmCounter;
/** The counters of one era by its names: those that every era has, and those that this one happens to have. */
export type VcpuCounts = Readonly<
  Record<LastingVcpuCounter, number> & Partial<Record<Exclude<VcpuCounterName, LastingVcpuCounter>, number>>
>;
export type VmCounts = Readonly<
  Record<LastingVmCounter, number> & Partial<Record<Exclude<VmCounterName, LastingVmCounter>, number>>
>;

/** The counter behind each name, as the kernel lists them. */
type Names<Name, Counter> = readonly (readonly [Name, Counter])[];

const same = <K extends string>(names: readonly K[]): Names<K, K> => names.map((name) => [name, name] as const);

const VCPU_V3: Names<VcpuCounterName, VcpuCounter> = same(VCPU_COUNTERS.slice(0, VCPU_COUNTER_INDEX.pf_taken));
const VM_V3: Names<VmCounterName, VmCounter> = same(VM_COUNTERS.slice(0, VM_COUNTER_INDEX.remote_tlb_flush_requests));

/** Without those that have no counterpart here and that v3.11 had not either (docs/fidelity.md lists them). */
const VCPU_V6_8: Names<VcpuCounterName, VcpuCounter> = [
  ['halt_wakeup', 'halt_wakeup'],
  ['pf_taken', 'pf_taken'],
  ['pf_fixed', 'pf_fixed'],
  ['pf_emulate', 'pf_emulate'],
  ['pf_spurious', 'pf_spurious'],
  ['pf_fast', 'pf_fast'],
  ['pf_mmio_spte_created', 'pf_mmio_spte_created'],
  ['pf_guest', 'pf_guest'],
  ['tlb_flush', 'tlb_flush'],
  ['invlpg', 'invlpg'],
  ['exits', 'exits'],
  ['io_exits', 'io_exits'],
  ['mmio_exits', 'mmio_exits'],
  ['signal_exits', 'signal_exits'],
  ['irq_window_exits', 'irq_window'],
  ['nmi_window_exits', 'nmi_window'],
  ['halt_exits', 'halt_exits'],
  ['request_irq_exits', 'request_irq'],
  ['irq_exits', 'irq_exits'],
  ['host_state_reload', 'host_state_reload'],
  ['fpu_reload', 'fpu_reload'],
  ['insn_emulation', 'insn_emulation'],
  ['insn_emulation_fail', 'insn_emulation_fail'],
  ['hypercalls', 'hypercalls'],
  ['irq_injections', 'irq_injections'],
  ['nmi_injections', 'nmi_injections'],
];
const VM_V6_8: Names<VmCounterName, VmCounter> = same([
  'remote_tlb_flush',
  'remote_tlb_flush_requests',
  'mmu_shadow_zapped',
  'mmu_pte_write',
  'mmu_pde_zapped',
  'mmu_flooded',
  'mmu_recycled',
  'mmu_cache_miss',
  'mmu_unsync',
  'pages_4k',
  'pages_2m',
  'pages_1g',
  'max_mmu_rmap_size',
  'max_mmu_page_hash_collisions',
]);

export const vcpuCounterNames = (era: Era): Names<VcpuCounterName, VcpuCounter> =>
  era === 'v6.8' ? VCPU_V6_8 : VCPU_V3;
export const vmCounterNames = (era: Era): Names<VmCounterName, VmCounter> => (era === 'v6.8' ? VM_V6_8 : VM_V3);
