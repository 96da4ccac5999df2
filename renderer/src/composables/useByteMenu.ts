/** What can be done with the bytes that are selected, above what can be done with the address of the first. */
import { BYTE_TEXTS, BYTE_TEXT_KINDS } from '../memory-view/byte-texts.ts';
import { rangeText, useMemorySelectionStore } from '../stores/memory-selection-store.ts';
import type { MenuEntry } from '../stores/menu-store.ts';
import { useMemoryStore } from '../stores/memory-store.ts';
import { useAddressMenu } from './useAddressMenu.ts';

/** @returns the entries; `own`: what else can be done with the value under the pointer */
export function useByteMenu(id: string): (own?: readonly MenuEntry[]) => readonly MenuEntry[] {
  const store = useMemoryStore(id);
  const selection = useMemorySelectionStore(id);
  const forAddress = useAddressMenu();

  const forRange = (): readonly MenuEntry[] => [
    ...BYTE_TEXT_KINDS.map((kind, n): MenuEntry => ({
      title: `Copy as ${BYTE_TEXTS[kind]}`,
      isApart: n === 0,
      run: () => void selection.copy(kind),
    })),
    {
      title: 'Fill…',
      isApart: true,
      run: () => {
        store.bar = 'fill';
      },
    },
    { title: 'Watch them', isEnabled: selection.canWatch, run: selection.watch },
    { title: 'Break on writes to them', isEnabled: selection.canBreak, run: () => void selection.breakOn('write') },
    { title: 'Break on reads and writes', isEnabled: selection.canBreak, run: () => void selection.breakOn('any') },
  ];

  return (own = []) => {
    const { range, isOfSeveral } = selection;
    if (range === undefined) return own;
    if (!isOfSeveral) return forAddress(range.space, range.first, own);
    return [...own, ...forRange()].map((entry, n) => (n === 0 ? { ...entry, heading: rangeText(range) } : entry));
  };
}
