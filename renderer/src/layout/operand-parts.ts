/** The operands of an instruction, cut where a number stands that can be an address. */
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
