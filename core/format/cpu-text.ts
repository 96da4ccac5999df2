/** Registers and instructions for people. */
import type { RegisterValue } from '../protocol/register-snapshots.ts';
import type { DisassembledInsn } from '../protocol/snapshots.ts';
import { formatHex } from './address-text.ts';

const COLUMNS = 4;

/** Four to a line, each with all its digits; flags of RFLAGS by name. */
export function registerLines(registers: readonly RegisterValue[]): readonly string[] {
  const lines: string[] = [];
  for (let i = 0; i < registers.length; i += COLUMNS) {
    const cells = registers.slice(i, i + COLUMNS).map(({ name, bits, value, flags }) => {
      const digits = value.toString(16).padStart(bits / 4, '0');
      return `${name.padStart(6)} ${digits}${name === 'rflags' && flags ? ` [${flags.join(' ')}]` : ''}`;
    });
    lines.push(`  ${cells.join(' ')}`);
  }
  return lines;
}

/** One to a line, with what its flags are called. */
export const registerLine = ({ name, bits, value, flags }: RegisterValue): string =>
  `${name} = 0x${value.toString(16).padStart(bits / 4, '0')}${flags === undefined ? '' : ` [${flags.join(' ')}]`}`;

export const disassemblyLines = (lines: readonly DisassembledInsn[]): readonly string[] =>
  lines.map(({ address, text, symbol, touches, current, breakpoint }) => {
    const where = symbol === undefined ? formatHex(address) : `${formatHex(address)} <${symbol}>`;
    const stop = breakpoint === undefined ? '' : `   (breakpoint ${breakpoint})`;
    return `${current ? '=> ' : '   '}${where}: ${text}${touches === undefined ? '' : `   ; ${touches}`}${stop}`;
  });
