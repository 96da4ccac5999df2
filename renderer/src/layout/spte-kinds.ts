/** The kinds of sptes that people ask for: the choices of the inspector's filter, and the commands that make them. */
import type { SpteFilter } from '@core/format/spte-query.ts';

/** What a kind decides of a filter; where, and in what order, is chosen elsewhere. */
export type SpteKindFilter = Pick<SpteFilter, 'kinds' | 'freshness' | 'state'>;

export interface SpteKindChoice {
  readonly id: string;
  /** In the filter's list. */
  readonly title: string;
  /** In a sentence: 'show …'. */
  readonly words: string;
  /** Key of the command. */
  readonly key: string;
  readonly filter: SpteKindFilter;
}

export const SPTE_KIND_CHOICES: readonly SpteKindChoice[] = [
  { id: 'all', title: 'all', words: 'all sptes', key: 'Ctrl+K A', filter: {} },
  { id: 'mmio', title: 'MMIO', words: 'MMIO sptes', key: 'Ctrl+K I', filter: { kinds: ['mmio'] } },
  {
    id: 'fresh',
    title: 'MMIO, fresh',
    words: 'fresh MMIO sptes',
    key: 'Ctrl+K F',
    filter: { kinds: ['mmio'], freshness: 'fresh' },
  },
  {
    id: 'stale',
    title: 'MMIO, stale',
    words: 'stale MMIO sptes',
    key: 'Ctrl+K O',
    filter: { kinds: ['mmio'], freshness: 'stale' },
  },
  {
    id: 'present',
    title: 'present',
    words: 'present sptes',
    key: 'Ctrl+K Shift+F',
    filter: { kinds: ['leaf', 'large', 'link'] },
  },
  {
    id: 'leaf',
    title: 'RAM',
    words: 'sptes that map memory',
    key: 'Ctrl+K R',
    filter: { kinds: ['leaf', 'large'] },
  },
  {
    id: 'large',
    title: 'RAM, large',
    words: 'sptes of large pages',
    key: 'Ctrl+K Shift+R',
    filter: { kinds: ['large'] },
  },
  {
    id: 'write-protected',
    title: 'RAM, write-protected',
    words: 'write-protected sptes',
    key: 'Ctrl+K Shift+O',
    filter: { kinds: ['leaf', 'large'], state: 'write-protected' },
  },
  {
    id: 'unsync',
    title: 'of unsync pages',
    words: 'sptes of unsync pages',
    key: 'Ctrl+K Shift+I',
    filter: { state: 'unsync' },
  },
  { id: 'link', title: 'links', words: 'links to shadow pages', key: 'Ctrl+K Shift+L', filter: { kinds: ['link'] } },
];

/** The same text for the same kind. */
const keyOf = ({ kinds = [], freshness = 'any', state = 'any' }: SpteKindFilter): string =>
  [...kinds.toSorted(), freshness, state].join(' ');

/** Which of the choices a filter is; another client may have asked for what is none. */
export function kindOfFilter(filter: SpteKindFilter): SpteKindChoice | undefined {
  const key = keyOf(filter);
  return SPTE_KIND_CHOICES.find((choice) => keyOf(choice.filter) === key);
}
