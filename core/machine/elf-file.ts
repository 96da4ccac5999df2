/** An opened ELF: the header's fields, checked as far as the header goes. */

/**
 * The fields that loading needs, of either class. Sizes, file offsets and physical addresses are doubles: what is too big for
 * one is out of RAM anyway. Virtual addresses are not: a kernel linked to the upper half has all 64 bits.
 */
export interface ElfFile {
  readonly view: DataView;
  readonly bits: 32 | 64;
  /** Virtual, as the header gives it. */
  readonly entry: bigint;
  readonly programHeaders: { readonly offset: number; readonly size: number; readonly count: number };
  readonly sectionHeaders: { readonly offset: number; readonly size: number; readonly count: number };
}

/** An unsigned 64-bit field as a double; exact below 2^53. */
export const wide = (view: DataView, offset: number): number => Number(view.getBigUint64(offset, true));
