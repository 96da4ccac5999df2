/** The best matches of what somebody types, best first. */
import UFuzzy from '@leeoniya/ufuzzy';

let searcher: UFuzzy | undefined;
/** One wrong, missing or swapped letter in a word is forgiven; words may come in any order. Made when somebody searches: it takes ten milliseconds. */
const fuzzy = (): UFuzzy => (searcher ??= new UFuzzy({ intraMode: 1 }));
const MAX_TERMS_REORDERED = 4;
const MAX_QUERY = 200;

/**
 * @param textOf what of an item is searched
 * @returns all items in their own order when nothing is typed
 */
export function fuzzyRank<T>(items: readonly T[], query: string, textOf: (item: T) => string): readonly T[] {
  const wanted = query.trim().slice(0, MAX_QUERY);
  if (wanted === '') return items;
  const texts = items.map(textOf);
  const [matches, info, order] = fuzzy().search(texts, wanted, MAX_TERMS_REORDERED);
  // Signs alone are nothing that it can search.
  if (matches === null) {
    const plain = wanted.toLowerCase();
    return items.filter((_item, i) => texts[i].toLowerCase().includes(plain));
  }
  // Past its threshold it filters without ranking.
  if (info === null || order === null) return matches.map((index) => items[index]);
  return order.map((place) => items[info.idx[place]]);
}
