import { describe, expect, it } from 'vitest';
import * as tp from '../../../core/base/tracepoints.ts';
import { ftraceLine, traceEventName, traceText } from '../../../core/format/trace-text.ts';

const role = 4 | (1 << 13) | (7 << 14);

describe('the text of a tracepoint', () => {
  it.each<readonly [string, number, readonly (bigint | number)[]]>([
    [
      'sptep:ffff88007a1b2700 gfn fee00 access 6 gen 7ff6b',
      tp.TP_MARK_MMIO_SPTE,
      [0xffff88007a1b2700n, 0xfee00, 6, 0x7ff6b],
    ],
    [
      'spte fff00000fee00b5e kvm_gen 7ff6c spte-gen 7ff6b valid 0',
      tp.TP_CHECK_MMIO_SPTE,
      [0x7ff6c, 0x7ff6b, 0xfff00000fee00b5en],
    ],
    [
      'spte fff00000fee00b5e kvm_gen 7ff6b spte-gen 7ff6b valid 1',
      tp.TP_CHECK_MMIO_SPTE,
      [0x7ff6b, 0x7ff6b, 0xfff00000fee00b5en],
    ],
    ['addr:0 gfn fee00 access 0', tp.TP_HANDLE_MMIO_PAGE_FAULT, [0, 0xfee00, 0]],
    ['sp gen 0 gfn 0 4 q0 direct wux !nxe root 0 sync new', tp.TP_MMU_GET_PAGE, [0, 0, role, 0, 0, 1]],
    ['sp gen 0 gfn 0 4 q0 direct wux !nxe root 0 sync existing', tp.TP_MMU_GET_PAGE, [0, 0, role, 0, 0, 0]],
    [
      'sp gen a gfn 1f 1 pae q3 -u- invalid nxe root 2 unsync',
      tp.TP_MMU_UNSYNC_PAGE,
      [10, 0x1f, 1 | (1 << 4) | (3 << 5) | (4 << 14) | (1 << 17) | (1 << 18), 2, 1],
    ],
    ['sp gen 0 gfn 0 1 q0 --x !nxe root 0 sync', tp.TP_MMU_SYNC_PAGE, [0, 0, 1 | (1 << 14), 0, 0]],
    ['sp gen 0 gfn 0 1 q0 w-- !nxe root 0 sync', tp.TP_MMU_PREPARE_ZAP_PAGE, [0, 0, 1 | (2 << 14), 0, 0]],
    ['kvm-mmu-valid-gen 3 used_pages 1a2', tp.TP_MMU_INVALIDATE_ZAP_ALL_PAGES, [3, 0x1a2]],
    [
      'vcpu 0 gva 7f00 error_code W sptep 0000000000001008 old 0x0 new 0 spurious 0 fixed 0',
      tp.TP_FAST_PAGE_FAULT,
      [0, 0x7f00, 2, 0x1008, 0, 0],
    ],
    [
      'vcpu 0 gva 7f00 error_code P|W|U sptep 0000000000001008 old 0x77 new 77 spurious 1 fixed 1',
      tp.TP_FAST_PAGE_FAULT,
      [1n << 32n, 0x7f00, 7, 0x1008, 0x77, 0x77],
    ],
    [
      'vcpu 0 gva 0 error_code RSVD|F|0x100 sptep 0000000000000000 old 0x0 new 0 spurious 0 fixed 0',
      tp.TP_FAST_PAGE_FAULT,
      [0, 0, 0x118, 0, 0, 0],
    ],
    ['vcpu 7', tp.TP_KVM_ENTRY, [7]],
    ['reason EPT_MISCONFIG rip 0x1000 info 0 0', tp.TP_KVM_EXIT, [49, 0x1000, 1, 0, 0]],
    ['reason npf rip 0x1000 info f fee00000', tp.TP_KVM_EXIT, [0x400, 0x1000, 2, 0xf, 0xfee00000]],
    ['reason PF excp rip 0x0 info 9 1000', tp.TP_KVM_EXIT, [0x4e, 0, 2, 9, 0x1000]],
    ['reason 0x65 rip 0x0 info 0 0', tp.TP_KVM_EXIT, [0x65, 0, 2, 0, 0]],
    ['func 7 rax 0 rbx 209 rcx 0 rdx 0', tp.TP_KVM_CPUID, [(1n << 32n) | 7n, 0, 0x209, 0, 0, 1]],
    ['reason 0x3f rip 0x0 info 0 0', tp.TP_KVM_EXIT, [63, 0, 1, 0, 0]],
    ['address 3fef42812000 error_code 181', tp.TP_KVM_PAGE_FAULT, [0x3fef42812000, 0x181]],
    ['mmio unsatisfied-read len 4 gpa 0xfeb00000 val 0x0', tp.TP_KVM_MMIO, [0, 4, 0xfeb00000, 0]],
    ['mmio read len 8 gpa 0xfeb00000 val 0x0', tp.TP_KVM_MMIO, [1, 8, 0xfeb00000, 0]],
    ['pio_read at 0x60 size 1 count 3', tp.TP_KVM_PIO, [0, 0x60, 1, 3]],
    ['f0000:fff0: (real) failed', tp.TP_KVM_EMULATE_INSN, [0xf0000, 0xfff0, 0, 0, 0, 1]],
    ['0:10:f3 a5 (prot32)', tp.TP_KVM_EMULATE_INSN, [0, 0x10, 2 | (5 << 8), 0xa5f3, 0, 0]],
    ['0:10:90 (0x2)', tp.TP_KVM_EMULATE_INSN, [0, 0x10, 1 | (2 << 8), 0x90, 0, 0]],
    ['gva 0x0 gpa 0xfee00000 Read GPA', tp.TP_VCPU_MATCH_MMIO, [0, 0xfee00000, 0, 1]],
    ['reason KVM_EXIT_UNKNOWN (0)', tp.TP_KVM_USERSPACE_EXIT, [0, 0]],
    ['reason restart (4)', tp.TP_KVM_USERSPACE_EXIT, [0, (1n << 64n) - 4n]],
    ['reason error (14)', tp.TP_KVM_USERSPACE_EXIT, [0, (1n << 64n) - 14n]],
    ['#UD (0x0)', tp.TP_KVM_INJ_EXCEPTION, [6, 0, 0x99]],
    ['#GP (0x10)', tp.TP_KVM_INJ_EXCEPTION, [13, 1, 0x10]],
    ['cr_read 0 = 0x80000011', tp.TP_KVM_CR, [0, 0, 0x80000011]],
    ['msr_write 10 = 0x5 (#GP)', tp.TP_KVM_MSR, [1, 0x10, 5, 1]],
    ['irq 32', tp.TP_KVM_INJ_VIRQ, [32]],
    ['hva 7f0000001000 gfn 1 YOUNG', tp.TP_KVM_AGE_PAGE, [0x7f0000001000, 1, 1]],
    ['hva 7f0000001000 gfn 1 OLD', tp.TP_KVM_AGE_PAGE, [0x7f0000001000, 1, 0]],
    ['addr ffff880000000000 pferr 3 P|W', tp.TP_MMU_PAGETABLE_WALK, [0xffff880000000000n, 3]],
    ['addr 1000 pferr 0 ', tp.TP_MMU_PAGETABLE_WALK, [0x1000, 0]],
    ['pte 80000000001e3163 level 1', tp.TP_MMU_PAGING_ELEMENT, [0x80000000001e3163n, 1]],
    ['gpa 10efa8', tp.TP_MMU_SET_ACCESSED_BIT, [0x10efa8]],
    ['gpa 10efa8', tp.TP_MMU_SET_DIRTY_BIT, [0x10efa8]],
    ['pferr 15 P|U|F', tp.TP_MMU_WALKER_ERROR, [0x15]],
    ['slot 3 DELETE gen a -> c', tp.TP_UMBRA_MEMSLOT, [3, 1, 10, 12]],
  ])('reads %s', (text, event, args) => {
    expect(traceText(event, [...args.map(BigInt), 0n, 0n, 0n, 0n])).toBe(text);
  });

  it.each<readonly [string, number, readonly (bigint | number)[]]>([
    ['vcpu 3, rip 0xfff0', tp.TP_KVM_ENTRY, [3, 0xfff0]],
    [
      'vcpu 3 reason EPT_VIOLATION rip 0x1000 info1 0x0000000000000181 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
      tp.TP_KVM_EXIT,
      [48, 0x1000, 1, 0x181, 0, 0],
    ],
    [
      'vcpu 3 reason EXCEPTION_NMI rip 0x1000 info1 0x0000000000002000 info2 0x0000000000000000 intr_info 0x80000b0e error_code 0x0000000a',
      tp.TP_KVM_EXIT,
      [0, 0x1000, 1, 0x2000, 0x80000b0e, 0xa],
    ],
    [
      'vcpu 3 reason EPT_VIOLATION rip 0x1000 info1 0x0000000000000182 info2 0x0000000080000020 intr_info 0x00000000 error_code 0x00000000',
      tp.TP_KVM_EXIT,
      [48, 0x1000, 1, 0x182, 0, 0x80000020n << 32n],
    ],
    [
      'vcpu 3 reason INTERRUPT_WINDOW rip 0x1000 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
      tp.TP_KVM_EXIT,
      [7, 0x1000, 1, 0, 0, 0],
    ],
    [
      'vcpu 3 reason npf rip 0x1000 info1 0x000000010000000f info2 0x00000000fee00000 intr_info 0x00000000 error_code 0x00000000',
      tp.TP_KVM_EXIT,
      [0x400, 0x1000, 2, 0x1_0000_000f, 0xfee00000, 0],
    ],
    [
      'vcpu 3 rip 0x1000 address 0x00000000fee00000 error_code 0x181',
      tp.TP_KVM_PAGE_FAULT,
      [0xfee00000, 0x181, 0x1000],
    ],
    ['pio_write at 0x3f8 size 1 count 1 val 0x41 ', tp.TP_KVM_PIO, [1, 0x3f8, 1, 1, 0x41]],
    ['pio_read at 0x1f0 size 2 count 4 val 0x1234 (...)', tp.TP_KVM_PIO, [0, 0x1f0, 2, 4, 0x1234]],
    ['#PF (0x2)', tp.TP_KVM_INJ_EXCEPTION, [14, 1, 2]],
    ['#UD', tp.TP_KVM_INJ_EXCEPTION, [6, 0, 0]],
    ['IRQ 0x20', tp.TP_KVM_INJ_VIRQ, [0x20]],
    ['IRQ 0x20 [reinjected]', tp.TP_KVM_INJ_VIRQ, [0x20, 1]],
    [
      'sp gen 0 gfn 0 l4 8-byte q0 direct wux !nxe !ad root 1 sync new',
      tp.TP_MMU_GET_PAGE,
      [0, 0, role, 1, 1n << 32n, 1],
    ],
    [
      'sp gen 10 gfn 1f l1 8-byte q3 -u- invalid nxe ad root 2 unsync',
      tp.TP_MMU_UNSYNC_PAGE,
      [10, 0x1f, 1 | (1 << 4) | (3 << 5) | (4 << 14) | (1 << 17) | (1 << 18), 2, 1],
    ],
    [
      'sp gen 0 gfn 20 l2 4-byte q1 wux !nxe ad root 0 sync',
      tp.TP_MMU_PREPARE_ZAP_PAGE,
      [0, 0x20, 2 | (1 << 5) | (7 << 14), 0, 0],
    ],
    [
      'vcpu 0 gva 7f00 error_code P|W sptep 0000000000001008 old 0x75 new 77 spurious 0 fixed 1',
      tp.TP_FAST_PAGE_FAULT,
      [1n << 32n, 0x7f00, 3, 0x1008, 0x75, 0x77],
    ],
    [
      'vcpu 0 gva 7f00 error_code P|W sptep 0000000000001008 old 0x77 new 77 spurious 1 fixed 0',
      tp.TP_FAST_PAGE_FAULT,
      [1n << 32n, 0x7f00, 3, 0x1008, 0x77, 0x77],
    ],
    ['kvm-mmu-valid-gen 1 used_pages 1a2', tp.TP_MMU_INVALIDATE_ZAP_ALL_PAGES, [1, 0x1a2]],
    [
      'gfn fee spte 12345c77 (rwxu) level 1 at 1008',
      tp.TP_MMU_SET_SPTE,
      [0xfee, 0x12345c77, 0x1008, 1, 1 | 2 | (1 << 2)],
    ],
    ['gfn fee spte 12345065 (r--u) level 1 at 1008', tp.TP_MMU_SET_SPTE, [0xfee, 0x12345065, 0x1008, 1, 1 | (1 << 2)]],
    ['gfn fee pfn 12345 level 2', tp.TP_MMU_SPTE_REQUESTED, [0xfee, 0x12345, 2]],
    ['#AC (0x0)', tp.TP_KVM_INJ_EXCEPTION, [17, 1, 0]],
    ['mmu notifier age hva: 0x007f0000001000 -- 0x007f0000002000', tp.TP_KVM_AGE_HVA, [0x7f0000001000, 0x7f0000002000]],
    [
      'mmu notifier unmap range: 0x007f0000001000 -- 0x007f0000200000',
      tp.TP_KVM_UNMAP_HVA_RANGE,
      [0x7f0000001000, 0x7f0000200000],
    ],
    ['func 7 idx 0 rax 0 rbx 209 rcx 0 rdx 0, cpuid entry found', tp.TP_KVM_CPUID, [7, 0, 0x209, 0, 0, 1]],
    [
      'func 1234 idx 0 rax 0 rbx 209 rcx 0 rdx 0, cpuid entry found, used max basic',
      tp.TP_KVM_CPUID,
      [0x1234, 0, 0x209, 0, 0, 3],
    ],
    ['func 7 idx 1 rax 0 rbx 0 rcx 0 rdx 0, cpuid entry not found', tp.TP_KVM_CPUID, [(1n << 32n) | 7n, 0, 0, 0, 0, 0]],
    [
      'vcpu 3 reason cr0_sel_write rip 0x1000 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
      tp.TP_KVM_EXIT,
      [0x65, 0x1000, 2, 0, 0, 0],
    ],
    ['gfn fee pfn 8000000000000000 level 1', tp.TP_MMU_SPTE_REQUESTED, [0xfee, 1n << 63n, 1]],
    [
      'spte fff00000fee00b5e kvm_gen 7ff6c spte-gen 7ff6b valid 0',
      tp.TP_CHECK_MMIO_SPTE,
      [0x7ff6c, 0x7ff6b, 0xfff00000fee00b5en],
    ],
  ])('reads, in the words of later kernels, %s', (text, event, args) => {
    expect(traceText(event, [...args.map(BigInt), 0n, 0n, 0n, 0n, 0n], 'modern', 3)).toBe(text);
  });

  it('stands under the name that the event has in that kernel', () => {
    const names = (event: number) => [traceEventName(event), traceEventName(event, 'modern')];
    expect(names(tp.TP_MMU_INVALIDATE_ZAP_ALL_PAGES)).toEqual([
      'kvm_mmu_invalidate_zap_all_pages',
      'kvm_mmu_zap_all_fast',
    ]);
    expect(names(tp.TP_KVM_EXIT)).toEqual(['kvm_exit', 'kvm_exit']);
  });

  it('exists for every tracepoint', () => {
    for (const { id, name } of tp.TRACEPOINTS) {
      expect(traceText(id, [0n, 0n, 0n, 0n, 0n, 0n])).not.toContain(`event ${id}`);
      expect(traceEventName(id)).toBe(name);
    }
  });
});

describe('an ftrace line', () => {
  it.each([
    [0, 0, '    0.000000'],
    [99, 0, '    0.000000'],
    [100, 0, '    0.000001'],
    [123_456_789, 7, '    1.234574'],
    [1e15, 0, '10000000.000000'],
  ])('of an event after %i instructions and %i idle microseconds has time %s', (insns, idleMicroseconds, time) => {
    const line = ftraceLine({ event: tp.TP_KVM_INJ_VIRQ, vcpu: 0, insns, idleMicroseconds, args: [32n] });
    expect(line).toBe(` qemu-system-x86-1000  [000] .... ${time}: kvm_inj_virq: irq 32`);
  });
});
