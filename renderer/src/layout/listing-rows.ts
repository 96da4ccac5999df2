/** Rows of the disassembly: a symbol gets a line of its own above the instruction that it names. */
import type { DisassembledInsn } from '@core/protocol/index.ts';

export type ListingRow =
  | { readonly kind: 'symbol'; readonly symbol: string; readonly address: bigint }
  | { readonly kind: 'insn'; readonly insn: DisassembledInsn };

export const listingRows = (lines: readonly DisassembledInsn[]): readonly ListingRow[] =>
  lines.flatMap((insn): readonly ListingRow[] =>
    insn.symbol === undefined
      ? [{ kind: 'insn', insn }]
      : [
          { kind: 'symbol', symbol: insn.symbol, address: insn.address },
          { kind: 'insn', insn },
        ],
  );
