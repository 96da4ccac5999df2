/** What can be done with an address: the entries of its context menu. */
import type { AddressSpace } from '@core/protocol/index.ts';
import type { MenuEntry } from '../stores/menu-store.ts';
import { useNumberMenu } from './useNumberMenu.ts';

export function useAddressMenu(): (
  space: AddressSpace,
  address: bigint,
  own?: readonly MenuEntry[],
) => readonly MenuEntry[] {
  const entriesFor = useNumberMenu();
  return (space, address, own) => entriesFor({ kind: space, address }, own);
}
