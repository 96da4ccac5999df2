/** The shadow pages as the rows of a tree, as far as it is open. */
import type { SptePageSnapshot } from '@core/protocol/index.ts';

export interface PageTreeRow {
  readonly page: SptePageSnapshot;
  readonly depth: number;
  readonly hasChildren: boolean;
  readonly isOpen: boolean;
  readonly state: string;
}

const stateOf = (page: SptePageSnapshot): string =>
  [
    page.rootCount > 0 ? `root ×${page.rootCount}` : '',
    page.invalid ? 'invalid' : '',
    page.obsolete ? 'obsolete' : '',
    page.unsync ? 'unsync' : '',
    page.mmioCached ? 'mmio_cached' : '',
  ]
    .filter(Boolean)
    .join(' ');

/** Bytes of guest physical memory that a direct page is for: 512 entries, each of the pages of the level below. */
export const pageSpan = ({ level }: SptePageSnapshot): bigint => 1n << BigInt(12 + 9 * level);

/** A table of four levels at most, six with the guest's own; deeper than that would be a cycle. */
const MAX_DEPTH = 8;

/** @param children pages by their parent's index, −1 for roots */
export function treeRows(
  children: ReadonlyMap<number, readonly SptePageSnapshot[]>,
  closed: ReadonlySet<number>,
): readonly PageTreeRow[] {
  const below = (parent: number, depth: number): readonly PageTreeRow[] => {
    const pages = depth > MAX_DEPTH ? [] : (children.get(parent) ?? []);
    return pages
      .toSorted((a, b) => b.level - a.level || a.gfn - b.gfn)
      .flatMap((page) => {
        const hasChildren = children.has(page.index);
        const isOpen = hasChildren && !closed.has(page.index);
        const row: PageTreeRow = { page, depth, hasChildren, isOpen, state: stateOf(page) };
        return [row, ...(isOpen ? below(page.index, depth + 1) : [])];
      });
  };
  return below(-1, 0);
}
