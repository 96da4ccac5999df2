/** An opened ELF: the header's fields, checked as far as the header goes. */

/** The fields that loading needs, of either class. 64-bit values are doubles: what is too big for one is out of RAM anyway. */
export interface ElfFile {
  readonly view: DataView;
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly programHeaders: { readonly offset: number; readonly size: number; readonly count: number };
  readonly sectionHeaders: { readonly offset: number; readonly size: number; readonly count: number };
}

/** An unsigned 64-bit field as a double; exact below 2^53. */
export const wide = (view: DataView, offset: number): number => Number(view.getBigUint64(offset, true));
