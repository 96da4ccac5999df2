import { describe, expect, it } from 'vitest';
import { addressLinks } from '../../../core/format/address-links.ts';

const links = (line: string): string[] =>
  addressLinks(line).flatMap(({ text, link }) =>
    link === undefined ? [] : [`${text} ${link.space}:${link.address.toString(16)}`],
  );

describe('addresses in a line of text', () => {
  it.each([
    ['stopped at gpa 0xfee00000, read', ['0xfee00000 gpa:fee00000']],
    [
      'slot 0: gpa [0x0, 0xa0000) at hva 0x7f0000000000',
      ['0x0 gpa:0', '0xa0000 gpa:a0000', '0x7f0000000000 hva:7f0000000000'],
    ],
    ['mmio, gfn 0xe0000, fresh', ['0xe0000 gpa:e0000000']],
    ['=> 0x100034 <main+4>: mov eax, 0x5', ['0x100034 gva:100034']],
    ['   0x100034: hlt', ['0x100034 gva:100034']],
    ['vCPU 0: rip 0x100034, CPL 0', ['0x100034 gva:100034']],
    ['sptep 0x9525c0: 0xc0000000e0000016 level 1', []],
    ['hpa 0x1000, 4 KiB', []],
    ['gfn 0xffffffffffffffff', []],
    ['gva 0x00112233445566778', ['0x0011223344556677 gva:11223344556677']],
    ['', []],
  ])('%s', (line, expected) => {
    expect(links(line)).toEqual(expected);
    expect(
      addressLinks(line)
        .map(({ text }) => text)
        .join(''),
      'nothing of the line is lost',
    ).toBe(line);
  });
});
