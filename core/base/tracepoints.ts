/**
 * The tracepoints that have a counterpart here: name, system, and the meaning of each argument word in the order the
 * kernel records them (reference: include/trace/events of arch/x86/kvm, v3.11). One number per event is stored in the
 * trace ring; the text form is made in core/format/trace-text.ts, for whoever prints.
 *
 * Every argument is one 64-bit word; at most {@link TRACE_MAX_ARGS}.
 */
export const TRACE_MAX_ARGS = 6;

/** Kernels whose words an event can be printed in. */
export const TRACE_WORDINGS = ['3.11', 'modern'] as const;

export const TP_KVM_ENTRY = 1;
export const TP_KVM_EXIT = 2;
export const TP_KVM_PAGE_FAULT = 3;
export const TP_KVM_MMIO = 4;
export const TP_KVM_PIO = 5;
export const TP_KVM_EMULATE_INSN = 6;
export const TP_VCPU_MATCH_MMIO = 7;
export const TP_KVM_USERSPACE_EXIT = 8;
export const TP_KVM_INJ_EXCEPTION = 9;
export const TP_KVM_CR = 10;
export const TP_KVM_MSR = 11;
export const TP_KVM_INJ_VIRQ = 12;
export const TP_KVM_AGE_PAGE = 13;
export const TP_KVM_HYPERCALL = 14;
export const TP_KVM_CPUID = 15;
/** Later kernels only. */
export const TP_KVM_AGE_HVA = 16;
export const TP_KVM_UNMAP_HVA_RANGE = 17;
export const TP_MMU_GET_PAGE = 32;
export const TP_MMU_PREPARE_ZAP_PAGE = 33;
export const TP_MARK_MMIO_SPTE = 34;
export const TP_HANDLE_MMIO_PAGE_FAULT = 35;
export const TP_CHECK_MMIO_SPTE = 36;
export const TP_FAST_PAGE_FAULT = 37;
export const TP_MMU_INVALIDATE_ZAP_ALL_PAGES = 38;
export const TP_MMU_SYNC_PAGE = 39;
export const TP_MMU_UNSYNC_PAGE = 40;
export const TP_MMU_PAGETABLE_WALK = 41;
export const TP_MMU_PAGING_ELEMENT = 42;
export const TP_MMU_SET_ACCESSED_BIT = 43;
export const TP_MMU_SET_DIRTY_BIT = 44;
export const TP_MMU_WALKER_ERROR = 45;
/** Later kernels only. */
export const TP_MMU_SET_SPTE = 46;
export const TP_MMU_SPTE_REQUESTED = 47;
/** Ours, not the kernel's: a memslot change that was installed (umbra_memslot: slot, change, generation before, after). */
export const TP_UMBRA_MEMSLOT = 64;

export interface TracepointSpec {
  readonly id: number;
  readonly name: string;
  readonly system: 'kvm' | 'kvmmmu' | 'umbra';
  /** Name in later kernels, where it was changed. */
  readonly modernName?: string;
  /** v3.11 does not have it. */
  readonly modernOnly?: boolean;
  /** Later kernels do not have it any more. */
  readonly oldOnly?: boolean;
  /** Field names in record order; the word at the same index of the record is its value. */
  readonly fields: readonly string[];
}

const spec = (id: number, system: TracepointSpec['system'], name: string, ...fields: string[]): TracepointSpec => ({
  id,
  name,
  system,
  fields,
});

export const TRACEPOINTS: readonly TracepointSpec[] = [
  spec(TP_KVM_ENTRY, 'kvm', 'kvm_entry', 'vcpu_id', 'rip'),
  // idt_info_error_code: what was being delivered (high half) and the error code of an intercepted exception.
  spec(TP_KVM_EXIT, 'kvm', 'kvm_exit', 'exit_reason', 'guest_rip', 'isa', 'info1', 'info2', 'idt_info_error_code'),
  spec(TP_KVM_PAGE_FAULT, 'kvm', 'kvm_page_fault', 'fault_address', 'error_code', 'rip'),
  spec(TP_KVM_MMIO, 'kvm', 'kvm_mmio', 'type', 'len', 'gpa', 'val'),
  spec(TP_KVM_PIO, 'kvm', 'kvm_pio', 'rw', 'port', 'size', 'count', 'val'),
  spec(TP_KVM_EMULATE_INSN, 'kvm', 'kvm_emulate_insn', 'csbase', 'rip', 'len_flags', 'bytes0', 'bytes1', 'failed'),
  spec(TP_VCPU_MATCH_MMIO, 'kvm', 'vcpu_match_mmio', 'gva', 'gpa', 'write', 'gpa_match'),
  spec(TP_KVM_USERSPACE_EXIT, 'kvm', 'kvm_userspace_exit', 'reason', 'errno'),
  spec(TP_KVM_INJ_EXCEPTION, 'kvm', 'kvm_inj_exception', 'exception', 'has_error', 'error_code'),
  spec(TP_KVM_CR, 'kvm', 'kvm_cr', 'rw', 'cr', 'val'),
  spec(TP_KVM_MSR, 'kvm', 'kvm_msr', 'write', 'ecx', 'data', 'exception'),
  spec(TP_KVM_INJ_VIRQ, 'kvm', 'kvm_inj_virq', 'irq', 'reinjected'),
  spec(TP_KVM_HYPERCALL, 'kvm', 'kvm_hypercall', 'nr', 'a0', 'a1', 'a2', 'a3'),
  // found_max_basic: bit 0, there is such a leaf; bit 1, the last basic one answered for a leaf beyond the ranges.
  spec(TP_KVM_CPUID, 'kvm', 'kvm_cpuid', 'function_index', 'rax', 'rbx', 'rcx', 'rdx', 'found_max_basic'),
  { ...spec(TP_KVM_AGE_PAGE, 'kvm', 'kvm_age_page', 'hva', 'gfn', 'referenced'), oldOnly: true },
  { ...spec(TP_KVM_AGE_HVA, 'kvm', 'kvm_age_hva', 'start', 'end'), modernOnly: true },
  { ...spec(TP_KVM_UNMAP_HVA_RANGE, 'kvm', 'kvm_unmap_hva_range', 'start', 'end'), modernOnly: true },
  spec(
    TP_MMU_GET_PAGE,
    'kvmmmu',
    'kvm_mmu_get_page',
    'mmu_valid_gen',
    'gfn',
    'role',
    'root_count',
    'unsync',
    'created',
  ),
  spec(
    TP_MMU_PREPARE_ZAP_PAGE,
    'kvmmmu',
    'kvm_mmu_prepare_zap_page',
    'mmu_valid_gen',
    'gfn',
    'role',
    'root_count',
    'unsync',
  ),
  spec(TP_MARK_MMIO_SPTE, 'kvmmmu', 'mark_mmio_spte', 'sptep', 'gfn', 'access', 'gen'),
  spec(TP_HANDLE_MMIO_PAGE_FAULT, 'kvmmmu', 'handle_mmio_page_fault', 'addr', 'gfn', 'access'),
  spec(TP_CHECK_MMIO_SPTE, 'kvmmmu', 'check_mmio_spte', 'kvm_gen', 'spte_gen', 'spte'),
  spec(
    TP_FAST_PAGE_FAULT,
    'kvmmmu',
    'fast_page_fault',
    'vcpu_id',
    'gva',
    'error_code',
    'sptep',
    'old_spte',
    'new_spte',
  ),
  {
    ...spec(
      TP_MMU_INVALIDATE_ZAP_ALL_PAGES,
      'kvmmmu',
      'kvm_mmu_invalidate_zap_all_pages',
      'mmu_valid_gen',
      'mmu_used_pages',
    ),
    modernName: 'kvm_mmu_zap_all_fast',
  },
  spec(TP_MMU_SYNC_PAGE, 'kvmmmu', 'kvm_mmu_sync_page', 'mmu_valid_gen', 'gfn', 'role', 'root_count', 'unsync'),
  spec(TP_MMU_UNSYNC_PAGE, 'kvmmmu', 'kvm_mmu_unsync_page', 'mmu_valid_gen', 'gfn', 'role', 'root_count', 'unsync'),
  spec(TP_MMU_PAGETABLE_WALK, 'kvmmmu', 'kvm_mmu_pagetable_walk', 'addr', 'pferr'),
  spec(TP_MMU_PAGING_ELEMENT, 'kvmmmu', 'kvm_mmu_paging_element', 'pte', 'level'),
  spec(TP_MMU_SET_ACCESSED_BIT, 'kvmmmu', 'kvm_mmu_set_accessed_bit', 'gpa'),
  spec(TP_MMU_SET_DIRTY_BIT, 'kvmmmu', 'kvm_mmu_set_dirty_bit', 'gpa'),
  spec(TP_MMU_WALKER_ERROR, 'kvmmmu', 'kvm_mmu_walker_error', 'pferr'),
  { ...spec(TP_MMU_SET_SPTE, 'kvmmmu', 'kvm_mmu_set_spte', 'gfn', 'spte', 'sptep', 'level', 'rxu'), modernOnly: true },
  { ...spec(TP_MMU_SPTE_REQUESTED, 'kvmmmu', 'kvm_mmu_spte_requested', 'gfn', 'pfn', 'level'), modernOnly: true },
  spec(TP_UMBRA_MEMSLOT, 'umbra', 'umbra_memslot', 'slot', 'change', 'gen_before', 'gen_after'),
];
