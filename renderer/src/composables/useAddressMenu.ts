/** What can be done with an address: the entries of its context menu. */
import type { AddressSpace } from '@core/protocol/index.ts';
import { formatAddress } from '@core/format/address-text.ts';
import { useBreakpointsStore } from '../stores/breakpoints-store.ts';
import { useDesktopStore } from '../stores/desktop-store.ts';
import { useFocusStore } from '../stores/focus-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';
import type { MenuEntry } from '../stores/menu-store.ts';
import { useWalkStore, type WalkSpace } from '../stores/walk-store.ts';

export function useAddressMenu(): (space: AddressSpace, address: bigint) => readonly MenuEntry[] {
  const breakpoints = useBreakpointsStore();
  const desktop = useDesktopStore();
  const focus = useFocusStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const memslots = useMemslotsStore();

  function showMemory(space: AddressSpace, address: bigint): void {
    layout.open('memory');
    focus.show({ kind: 'address', space, address });
  }

  function forCode(address: bigint): readonly MenuEntry[] {
    return [
      {
        title: 'Show in disassembly',
        run: () => {
          layout.open('disassembly');
          focus.show({ kind: 'code', address });
        },
      },
      { title: 'Run to here', isEnabled: machine.canRun, run: () => void machine.runTo(address) },
      { title: 'Set or remove a breakpoint', run: () => void breakpoints.toggleAt(address) },
    ];
  }

  function forGuestPhysical(address: bigint): readonly MenuEntry[] {
    const gfn = Number(address >> 12n);
    return [
      {
        title: 'Show its sptes',
        run: () => {
          layout.open('sptes');
          focus.show({ kind: 'gfn', gfn });
        },
      },
      { title: 'Break on MMIO faults of this page', run: () => void breakpoints.addForPage(gfn) },
      {
        title: 'New memslot over this page',
        run: () => {
          layout.open('memslots');
          void memslots.createOver(address);
        },
      },
    ];
  }

  function walkIt(space: WalkSpace, address: bigint): void {
    void useWalkStore(layout.open('walk')).show(space, address);
  }

  return (space, address) => [
    { title: `Show ${space} in memory`, run: () => showMemory(space, address) },
    ...(space === 'hva' ? [] : [{ title: `Walk ${space} through both trees`, run: () => walkIt(space, address) }]),
    ...(space === 'gva' ? forCode(address) : []),
    ...(space === 'gpa' ? forGuestPhysical(address) : []),
    { title: 'Copy', run: () => void desktop.copyText(formatAddress(address)) },
    { title: 'Copy with its space', run: () => void desktop.copyText(`${space}:${formatAddress(address)}`) },
  ];
}
