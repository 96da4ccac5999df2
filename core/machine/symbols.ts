/** Names of an image, found by address (binary search) or by name. Immutable once built. */
export interface SymbolEntry {
  readonly name: string;
  readonly address: bigint;
  /** Bytes; 0 when the image does not say (labels of an assembler source). */
  readonly size: number;
  readonly kind: 'function' | 'object' | 'label';
}

export interface SymbolLookup {
  readonly symbol: SymbolEntry;
  /** Bytes from the symbol's start. */
  readonly offset: bigint;
}

/** A symbol without a size reaches at most this far: beyond it an address is likelier not its own. */
const MAX_LABEL_REACH = 0x10_0000n;

const KIND_RANK = { function: 0, object: 1, label: 2 } as const;

const byAddress = (a: SymbolEntry, b: SymbolEntry): number => {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return KIND_RANK[a.kind] - KIND_RANK[b.kind] || b.size - a.size || (a.name < b.name ? -1 : 1);
};

export class Symbols {
  static readonly none = new Symbols([]);

  /** Sorted by address; of several names at one address functions come first, then objects, then labels. */
  readonly entries: readonly SymbolEntry[];
  readonly #byName: ReadonlyMap<string, SymbolEntry>;

  constructor(entries: readonly SymbolEntry[]) {
    this.entries = entries.toSorted(byAddress);
    const byName = new Map<string, SymbolEntry>();
    for (const entry of this.entries) if (!byName.has(entry.name)) byName.set(entry.name, entry);
    this.#byName = byName;
  }

  find(name: string): SymbolEntry | undefined {
    return this.#byName.get(name);
  }

  /** The symbol that an address belongs to: the nearest one at or below it that reaches that far. */
  lookup(address: bigint): SymbolLookup | undefined {
    let low = 0;
    let high = this.entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.entries[middle].address <= address) low = middle + 1;
      else high = middle;
    }
    const last = this.entries[low - 1];
    if (last === undefined) return undefined;
    const symbol = this.#firstAt(low - 1, last.address);
    const offset = address - symbol.address;
    const reach = symbol.size > 0 ? BigInt(symbol.size) : MAX_LABEL_REACH;
    return offset < reach ? { symbol, offset } : undefined;
  }

  /** Names that contain `query`, without regard to case: exact ones first, then those that start with it. */
  search(query: string, limit: number): readonly SymbolEntry[] {
    const wanted = query.toLowerCase();
    const rank = (name: string): number => {
      const lower = name.toLowerCase();
      if (lower === wanted) return 0;
      if (lower.startsWith(wanted)) return 1;
      return lower.includes(wanted) ? 2 : 3;
    };
    return this.entries
      .map((symbol) => ({ symbol, rank: rank(symbol.name) }))
      .filter((hit) => hit.rank < 3)
      .toSorted((a, b) => a.rank - b.rank)
      .slice(0, limit)
      .map((hit) => hit.symbol);
  }

  #firstAt(index: number, address: bigint): SymbolEntry {
    let first = index;
    while (first > 0 && this.entries[first - 1].address === address) first -= 1;
    return this.entries[first];
  }
}
