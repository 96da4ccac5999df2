/** Registers and instructions for people. */
import type { RegisterValue } from '../protocol/register-snapshots.ts';
import type { DisassembledInsn } from '../protocol/snapshots.ts';
import { formatHex } from './address-text.ts';

const COLUMNS = 4;
const MARGIN = 2;

/**
 * Four to a line where there is room, each with all its digits; flags of RFLAGS by name.
 * @param columns how wide a line may be
 */
export function registerLines(registers: readonly RegisterValue[], columns = Infinity): readonly string[] {
  const rows: string[][] = [];
  let width = 0;
  for (const { name, bits, value, flags } of registers) {
    const digits = value.toString(16).padStart(bits / 4, '0');
    const cell = `${name.padStart(6)} ${digits}${name === 'rflags' && flags ? ` [${flags.join(' ')}]` : ''}`;
    const row = rows.at(-1);
    if (row !== undefined && row.length < COLUMNS && width + 1 + cell.length <= columns) {
      row.push(cell);
      width += 1 + cell.length;
    } else {
      rows.push([cell]);
      width = MARGIN + cell.length;
    }
  }
  return rows.map((cells) => `${' '.repeat(MARGIN)}${cells.join(' ')}`);
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
