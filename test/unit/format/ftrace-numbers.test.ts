import { describe, expect, it } from 'vitest';
import { traceNumbers } from '../../../core/format/ftrace-numbers.ts';

const linked = (event: string, text: string, space: 'gva' | 'gpa' = 'gpa') =>
  traceNumbers(event, text, space).flatMap(({ text: shown, number }) =>
    number === undefined ? [] : [`${number.kind} ${number.value.toString(16)} (${shown})`],
  );

describe('the numbers of an event', () => {
  it.each([
    ['kvm_mmio', 'mmio read len 4 gpa 0xfeb00000 val 0x2a', ['gpa feb00000 (0xfeb00000)', 'value 2a (0x2a)']],
    ['mark_mmio_spte', 'sptep:ffff88003f7c5a58 gfn feb00 access 6 gen 2a', ['gfn feb00 (feb00)', 'generation 2a (2a)']],
    ['handle_mmio_page_fault', 'addr:0 gfn feb00 access 6', ['gfn feb00 (feb00)']],
    ['handle_mmio_page_fault', 'addr:c0001000 gfn feb00 access 6', ['gva c0001000 (c0001000)', 'gfn feb00 (feb00)']],
    [
      'check_mmio_spte',
      'spte ffd00000feb00036 kvm_gen 8 spte-gen 7 valid 0',
      ['spte ffd00000feb00036 (ffd00000feb00036)', 'generation 8 (8)', 'generation 7 (7)'],
    ],
    ['kvm_exit', 'reason EPT_MISCONFIG rip 0x100034 info 0 0', ['code 100034 (0x100034)']],
    ['kvm_emulate_insn', '10:34:8b 07 (prot32)', ['code 44 (10:34)']],
    ['kvm_mmu_get_page', 'sp gen 3 gfn 100 4 q0 direct wux !nxe root 0 sync new', ['gfn 100 (100)']],
    [
      'fast_page_fault',
      'vcpu 0 gva 1000 error_code W|P sptep 0000000000001000 old 0x75 new 77 spurious 0 fixed 1',
      ['gva 1000 (1000)', 'spte 75 (0x75)', 'spte 77 (77)'],
    ],
    ['kvm_msr', 'msr_write c0000080 = 0x500', []],
  ])('%s: %s', (event, text, expected) => expect(linked(event, text)).toEqual(expected));

  it('is a gpa or a gva in a page fault, as the MMU has it', () => {
    expect(linked('kvm_page_fault', 'address feb00000 error_code 181', 'gpa')).toEqual(['gpa feb00000 (feb00000)']);
    expect(linked('kvm_page_fault', 'address feb00000 error_code b', 'gva')).toEqual(['gva feb00000 (feb00000)']);
  });

  it('leaves every letter where it was', () => {
    for (const text of [
      '',
      'gpa',
      'gpa 0xzz',
      'gfn ffffffffffffffff gpa 0x1 gpa 0x11111111111111111',
      'addr:addr:addr:1',
    ])
      expect(
        traceNumbers('kvm_mmio', text, 'gpa')
          .map((segment) => segment.text)
          .join(''),
      ).toBe(text);
  });
});
