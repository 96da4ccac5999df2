/** Registers and instructions for people. */
import type { RegisterValue } from '../protocol/register-snapshots.ts';
import type { DisassembledInsn } from '../protocol/snapshots.ts';
import { formatHex } from './address-text.ts';

const COLUMNS = 4;
/** A name, 16 digits and what stands between. */
const CELL = 25;

/** Four to a line where there is room, each with all its digits; flags of RFLAGS by name. */
export function registerLines(registers: readonly RegisterValue[], columns = COLUMNS * CELL): readonly string[] {
  const lines: string[] = [];
  const across = Math.min(COLUMNS, Math.max(1, Math.floor(columns / CELL)));
  for (let i = 0; i < registers.length; i += across) {
    const cells = registers.slice(i, i + across).map(({ name, bits, value, flags }) => {
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
