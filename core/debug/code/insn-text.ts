/** The text of an instruction: Intel syntax, hexadecimal with 0x, symbols behind the addresses they name. */
import { FlowControl, Formatter, FormatterSyntax, type Instruction } from 'iced-x86';

/** `symbol+offset` of an address. */
export type AddressNamer = (address: bigint) => string | undefined;

/** One per session: the formatter is an object of the decoder's library. */
export class InsnText {
  readonly #formatter: Formatter;

  constructor() {
    const formatter = new Formatter(FormatterSyntax.Intel);
    formatter.hexPrefix = '0x';
    formatter.hexSuffix = '';
    formatter.uppercaseHex = false;
    formatter.addLeadingZeroToHexNumbers = false;
    formatter.branchLeadingZeros = false;
    formatter.leadingZeros = false;
    formatter.spaceAfterOperandSeparator = true;
    formatter.showBranchSize = false;
    formatter.ripRelativeAddresses = true;
    this.#formatter = formatter;
  }

  format(instruction: Instruction, nameOf: AddressNamer): string {
    if (instruction.isInvalid) return '(bad)';
    const text = this.#formatter.format(instruction);
    const target = namedAddress(instruction);
    const name = target === undefined ? undefined : nameOf(target);
    return name === undefined ? text : `${text} <${name}>`;
  }
}

/** The one address that an instruction spells out: a branch target, or memory without a register in it. */
function namedAddress(instruction: Instruction): bigint | undefined {
  if (instruction.isIpRelMemoryOperand) return instruction.ipRelMemoryAddress;
  switch (instruction.flowControl) {
    case FlowControl.UnconditionalBranch:
    case FlowControl.ConditionalBranch:
    case FlowControl.Call:
    case FlowControl.XbeginXabortXend:
      return instruction.nearBranchTarget;
    default:
      return undefined;
  }
}
