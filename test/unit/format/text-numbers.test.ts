import { describe, expect, it } from 'vitest';
import { textNumbers } from '../../../core/format/text-numbers.ts';

const linked = (line: string, space?: 'gva' | 'gpa'): string[] =>
  textNumbers(line, space).flatMap(({ text, number }) => {
    if (number === undefined) return [];
    const name = number.kind === 'register' ? ` ${number.name}` : '';
    const value = number.kind === 'insns' ? number.value : number.value.toString(16);
    return [`${text} ${number.kind}${name} ${value}`];
  });

describe('the numbers in a line of words', () => {
  it.each([
    ['stopped at gpa 0xfee00000, read', ['0xfee00000 gpa fee00000']],
    [
      'slot 0: gpa [0x0, 0xa0000) at hva 0x7f0000000000',
      ['0x0 gpa 0', '0xa0000 gpa a0000', '0x7f0000000000 hva 7f0000000000'],
    ],
    ['1: MMIO read of gpa 0xe0000000–0xe0000fff, spte fresh', ['0xe0000000 gpa e0000000', '0xe0000fff gpa e0000fff']],
    ['execution at 0x100034, 0 hits', ['0x100034 code 100034']],
    ['execution at main (0x100034–0x100037)', ['0x100034 code 100034', '0x100037 code 100037']],
    ['execution at gpa 0x100034', ['0x100034 gpa 100034']],
    ['breakpoint 2 at 0x00100034, after 17 instructions', ['0x00100034 code 100034', '17 insns 17']],
    [
      'breakpoint 1: MMIO read of 0xe0000000, EMULATE (spte generation 0x2, current 0x3)',
      ['0xe0000000 gpa e0000000', '0x2 generation 2', '0x3 generation 3'],
    ],
    [
      'reads gva 0x1004 = gpa 0x5004: RAM, slot 1; writes gpa 0xfeb00000: MMIO, bank',
      ['0x1004 gva 1004', '0x5004 gpa 5004', '0xfeb00000 gpa feb00000'],
    ],
    ['mmio, gfn 0xe0000, fresh', ['0xe0000 gfn e0000']],
    ['=> 0x100034 <main+4>: mov eax, 0x5', ['0x100034 code 100034']],
    ['   0x100034: hlt', ['0x100034 code 100034']],
    ['vCPU 0: rip 0x100034, CPL 0', ['0x100034 code 100034']],
    ['sptep 0x9525c0: 0xc0000000e0000016 level 1', ['0xc0000000e0000016 spte c0000000e0000016']],
    ['last entry, level 1: 0xc0000000e000001e', ['0xc0000000e000001e spte c0000000e000001e']],
    [
      '0xc0000000e0000016  MMIO spte, gen 0x2, gfn 0xe0000, access none',
      ['0xc0000000e0000016 spte c0000000e0000016', '0x2 generation 2', '0xe0000 gfn e0000'],
    ],
    [
      'next access: INVALID, because its generation is 0x5 and the current one is 0x7',
      ['0x5 generation 5', '0x7 generation 7'],
    ],
    ['memslots generation 3, MMIO generation 0x3, 524283 changes before it wraps', ['0x3 generation 3']],
    ['  at 67539476: slot 5: CREATE gpa 0xe8000000', ['67539476 insns 67539476', '0xe8000000 gpa e8000000']],
    ['2296 at 67718960 vCPU 0 rip 0x00100fe4', ['67718960 insns 67718960', '0x00100fe4 code 100fe4']],
    [
      '     rax 00000000000040cc    rcx 00000000ffffffff',
      ['00000000000040cc register rax 40cc', '00000000ffffffff register rcx ffffffff'],
    ],
    ['cr3 = 0x0000000000101000', ['0x0000000000101000 register cr3 101000']],
    [
      '67718973 vcpu 0 kvm_mmio: mmio read len 4 gpa 0xe0000000 val 0x2a',
      ['67718973 insns 67718973', '0xe0000000 gpa e0000000', '0x2a value 2a'],
    ],
    ['hpa 0x1000, 4 KiB', []],
    ['gfn 0xffffffffffffffff', []],
    ['gva 0x00112233445566778', []],
    ['', []],
  ])('%s', (line, expected) => {
    expect(linked(line)).toEqual(expected);
    const whole = textNumbers(line).map(({ text }) => text);
    expect(whole.join(''), 'nothing of the line is lost').toBe(line);
  });

  it('take the address of a traced page fault for what the MMU has it be', () => {
    const line = '17 vcpu 0 kvm_page_fault: address 1000 error_code 2';
    expect(linked(line, 'gva')).toEqual(['17 insns 17', '1000 gva 1000']);
    expect(linked(line, 'gpa')).toEqual(['17 insns 17', '1000 gpa 1000']);
  });
});
