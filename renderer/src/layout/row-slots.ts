/**
 * Which element of a long list shows which row. Rows that stay keep theirs and rows that come take those of rows that have gone,
 * so that a reader who jumps or flings makes no element and lets none go.
 */
export class RowSlots {
  #slotOf: ReadonlyMap<number, number> = new Map();
  /** Slots from 0 on have been given out so far. */
  #made = 0;

  /**
   * @param rows each once
   * @returns the slot of each, below the largest number of rows that there ever was
   */
  place(rows: readonly number[]): readonly number[] {
    const before = this.#slotOf;
    const kept = new Set(rows.map((row) => before.get(row)));
    // In order: rows that come in order need not be moved about then.
    const free = Array.from({ length: this.#made }, (_unused, slot) => slot).filter((slot) => !kept.has(slot));
    let next = 0;
    const placed = rows.map((row) => before.get(row) ?? free[next++] ?? this.#made++);
    this.#slotOf = new Map(rows.map((row, i) => [row, placed[i]]));
    return placed;
  }
}
