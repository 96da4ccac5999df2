/** The spte inspector by name: what it shows, and breakpoints on what is under its glass. */
import { SPTE_KIND_CHOICES } from '../layout/spte-kinds.ts';
import { useBreakpointsStore } from '../stores/breakpoints-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useSptesStore } from '../stores/sptes-store.ts';
import { useWalkStore } from '../stores/walk-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

export function spteCommands(): readonly Command[] {
  const breakpoints = useBreakpointsStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const hasMachine = (): boolean => machine.hasMachine;
  const inspector = () => useSptesStore(layout.open('sptes'));
  /** The inspector that is there: to ask must not bring it to the front. */
  const selected = () => useSptesStore().selected;

  return [
    ...SPTE_KIND_CHOICES.map(({ id, words, key, filter }): Command => ({
      id: `sptes-${id}`,
      title: `Spte inspector: show ${words}`,
      key,
      needs: 'a machine',
      isEnabled: hasMachine,
      run: async () => {
        const store = inspector();
        store.view = 'table';
        await store.setFilter(filter);
      },
    })),
    {
      id: 'sptes-tree',
      title: 'Spte inspector: show the shadow pages as a tree',
      key: 'Ctrl+K Shift+W',
      needs: 'a machine',
      isEnabled: hasMachine,
      run: () => {
        inspector().view = 'tree';
      },
    },
    {
      id: 'sptes-decode',
      title: 'Decode a raw spte or a kernel log…',
      key: 'Ctrl+K V',
      isEnabled: always,
      run: () => {
        inspector().view = 'decode';
      },
    },
    {
      id: 'break-on-spte',
      title: 'Break when the spte under the glass changes',
      key: 'Ctrl+K K',
      needs: 'a selected spte',
      isEnabled: () => selected() !== undefined,
      run: () => {
        const row = selected();
        if (row) void breakpoints.addForEntry(row);
      },
    },
    {
      id: 'walk-spte',
      title: 'Walk the gfn of the spte under the glass',
      key: 'Ctrl+K W',
      needs: 'a selected spte',
      isEnabled: () => selected() !== undefined,
      run: () => {
        const row = selected();
        if (row) void useWalkStore(layout.open('walk')).show('gpa', BigInt(row.gfn) << 12n);
      },
    },
  ];
}
