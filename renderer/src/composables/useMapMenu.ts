/** The context menu of the map of guest physical memory: what can be done to the slot under the pointer, or to the hole. */
import { formatAddress } from '@core/format/address-text.ts';
import { useDirtyLogStore } from '../stores/dirty-log-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';
import { type MenuEntry, useMenuStore } from '../stores/menu-store.ts';
import { useNumberMenu } from './useNumberMenu.ts';

const RIGHT = 2;

interface MapPlaces {
  /** The slot whose box is there; undefined over a hole. */
  readonly slotAt: (gpa: bigint) => number | undefined;
  /** The slot that the keys mean. */
  readonly selected: () => number | undefined;
  readonly gpaAt: (event: MouseEvent) => bigint;
  readonly select: (slot: number) => void;
  /** The address that the keys mean where no slot is selected. */
  readonly markedGpa: () => bigint;
}

export function useMapMenu({ slotAt, selected, gpaAt, select, markedGpa }: MapPlaces) {
  const store = useMemslotsStore();
  const dirty = useDirtyLogStore();
  const menu = useMenuStore();
  const entriesForNumber = useNumberMenu();

  function forSlot(slot: number): readonly MenuEntry[] {
    const target = store.targetOf(slot);
    const isThere = target !== undefined && target.memorySize > 0n;
    return [
      {
        title: `Edit slot ${slot}`,
        isEnabled: isThere,
        run: () => void (target && store.editTarget(target)),
      },
      { title: `Delete slot ${slot} (staged)`, isEnabled: isThere, run: () => void store.stageDeletion(slot) },
      ...(store.staged.some((one) => one.slot === slot)
        ? [{ title: `Drop the staged change of slot ${slot}`, run: () => void store.unstage(slot) }]
        : []),
      ...(dirty.logging.some(({ id }) => id === slot)
        ? [{ title: `Read the dirty log of slot ${slot}`, run: () => void dirty.read(slot) }]
        : []),
    ];
  }

  const forHole = (gpa: bigint): readonly MenuEntry[] => [
    { title: `New slot at ${formatAddress(gpa)}`, run: () => void store.createOver(gpa) },
  ];

  /** Without a pointer (Shift+F10, the menu key) it is about the selected slot. */
  return (event: MouseEvent): void => {
    event.preventDefault();
    const isPointed = event.button === RIGHT;
    const slot = isPointed ? slotAt(gpaAt(event)) : selected();
    const gpa = (isPointed ? gpaAt(event) : markedGpa()) & ~0xfffn;
    if (slot !== undefined) select(slot);
    const own = slot === undefined ? forHole(gpa) : forSlot(slot);
    const address = slot === undefined ? gpa : (store.targetOf(slot)?.guestPhysAddr ?? gpa);
    menu.open(event.clientX, event.clientY, entriesForNumber({ kind: 'gpa', address }, own));
  };
}
