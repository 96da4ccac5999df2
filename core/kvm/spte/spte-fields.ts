/** Taking an spte apart: every one of the 64 bits gets a label, and runs of one label become fields. */
import type { EntryField, EntryFieldRole } from '../../base/entry-field.ts';
import { bitRange } from './spte-magic.ts';

export interface BitLabel {
  readonly name: string;
  readonly role: EntryFieldRole;
  /** What the field's value says. */
  readonly meaning: (value: bigint) => string;
}

export const label = (name: string, role: EntryFieldRole, meaning: string | ((value: bigint) => string)): BitLabel => ({
  name,
  role,
  meaning: typeof meaning === 'string' ? () => meaning : meaning,
});

/** A label for a single bit: one sentence for set, one for clear. */
export const flag = (name: string, role: EntryFieldRole, set: string, clear: string): BitLabel =>
  label(name, role, (value) => (value === 0n ? clear : set));

export const IGNORED = label('ignored', 'ignored', (value) =>
  value === 0n ? 'unused' : 'unused by KVM here, yet not zero',
);

/** Labels of bits 0 … 63. Later calls of `put` win over earlier ones. */
export class BitMap {
  readonly #labels: BitLabel[] = Array.from({ length: 64 }, () => IGNORED);

  put(low: number, high: number, what: BitLabel): this {
    this.#labels.fill(what, low, high + 1);
    return this;
  }

  /** Puts a label on every bit that is set in a mask. */
  putMask(mask: bigint, what: BitLabel): this {
    for (let at = 0; at < 64; at++) if (((mask >> BigInt(at)) & 1n) === 1n) this.#labels[at] = what;
    return this;
  }

  /** Fields from the top bit down, covering all 64 bits once. */
  fieldsOf(value: bigint): readonly EntryField[] {
    const fields: EntryField[] = [];
    for (let high = 63; high >= 0;) {
      const what = this.#labels[high];
      let low = high;
      while (low > 0 && this.#labels[low - 1] === what) low--;
      const bits = (value & bitRange(low, high)) >> BigInt(low);
      fields.push({ name: what.name, high, low, value: bits, meaning: what.meaning(bits), role: what.role });
      high = low - 1;
    }
    return fields;
  }

  /** The set bits that nothing explains. */
  unexplained(value: bigint): bigint {
    let rest = 0n;
    for (let at = 0; at < 64; at++) if (this.#labels[at] === IGNORED) rest |= value & (1n << BigInt(at));
    return rest;
  }
}

export const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
