/** Rows of the disassembly: a symbol gets a line of its own above the instruction that it names. */
import type { DisassembledInsn } from '@core/protocol/index.ts';

export type ListingRow =
  | { readonly kind: 'symbol'; readonly symbol: string; readonly address: bigint }
  | { readonly kind: 'insn'; readonly insn: DisassembledInsn };

/** Of an instruction that is still the same the rows are, too: nothing of them is drawn again. */
const rowsByInsn = new WeakMap<DisassembledInsn, readonly ListingRow[]>();

export const listingRows = (lines: readonly DisassembledInsn[]): readonly ListingRow[] => lines.flatMap(rowsOf);

function rowsOf(insn: DisassembledInsn): readonly ListingRow[] {
  const known = rowsByInsn.get(insn);
  if (known !== undefined) return known;
  const rows: readonly ListingRow[] =
    insn.symbol === undefined
      ? [{ kind: 'insn', insn }]
      : [
          { kind: 'symbol', symbol: insn.symbol, address: insn.address },
          { kind: 'insn', insn },
        ];
  rowsByInsn.set(insn, rows);
  return rows;
}
