import { describe, expect, it } from 'vitest';
import { operandParts } from '../../../renderer/src/layout/operand-parts.ts';

const linked = (text: string): readonly (bigint | undefined)[] =>
  operandParts(text).flatMap(({ address }) => address ?? []);

describe('the operands of an instruction', () => {
  it.each([
    ['0x1000f0 <put_char>', [0x10_00f0n]],
    ['dword ptr [0xfeb00010], eax', [0xfeb0_0010n]],
    ['far 0x100028, 8', [0x10_0028n]],
    ['[ebp+0x1234], 0x2000', [0x2000n]],
    ['[ebp - 0x1234], eax', []],
    ['ecx, 0x10', []],
    ['', []],
  ] as const)('of %j link %o', (text, addresses) => {
    expect(linked(text)).toEqual(addresses);
    expect(
      operandParts(text)
        .map((part) => part.text)
        .join(''),
    ).toBe(text);
  });
});
