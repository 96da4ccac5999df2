/** The operands of an instruction, cut where a number stands that can be an address. */
import type { LinkedNumber } from './linked-number.ts';

export interface OperandPart {
  readonly text: string;
  readonly address: bigint | undefined;
}

/** Below the first page a number is a count or an offset, no place. */
const FIRST_PLACE = 0x1000n;
const NUMBER = /0x[0-9a-f]+/gi;

/** @param text as the formatter writes it: `dword ptr [0xfeb00010], 5`, `0x1000f0 <put_char>` */
export function operandParts(text: string): readonly OperandPart[] {
  const parts: OperandPart[] = [];
  let done = 0;
  for (const match of text.matchAll(NUMBER)) {
    const address = BigInt(match[0]);
    // A displacement to a register is no address by itself.
    const isDisplacement = /[+-]\s?$/.test(text.slice(0, match.index));
    if (address < FIRST_PLACE || isDisplacement) continue;
    if (match.index > done) parts.push({ text: text.slice(done, match.index), address: undefined });
    parts.push({ text: match[0], address });
    done = match.index + match[0].length;
  }
  if (done < text.length) parts.push({ text: text.slice(done), address: undefined });
  return parts;
}

export interface EffectPart {
  readonly text: string;
  readonly number: LinkedNumber | undefined;
}

/** What an instruction touches, as the engine says it: `reads gva 0x1000 = gpa 0x5000: RAM, slot 1`. */
export function effectParts(text: string): readonly EffectPart[] {
  return text
    .split(/((?:gva|gpa) 0x[0-9a-f]+)/)
    .filter((part) => part !== '')
    .flatMap((part): readonly EffectPart[] => {
      const match = /^(gva|gpa) (0x[0-9a-f]+)$/.exec(part);
      if (match === null) return [{ text: part, number: undefined }];
      const kind = match[1] === 'gva' ? 'gva' : 'gpa';
      return [
        { text: `${kind} `, number: undefined },
        { text: match[2], number: { kind, address: BigInt(match[2]) } },
      ];
    });
}
