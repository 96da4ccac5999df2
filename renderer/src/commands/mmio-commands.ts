/** The MMIO log by name. */
import { ANY_FAULT } from '../layout/mmio-filter.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMmioStore } from '../stores/mmio-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

export function mmioCommands(): readonly Command[] {
  const layout = useLayoutStore();
  const mmio = useMmioStore();
  return [
    {
      id: 'stop-at-mmio',
      title: 'Stop at MMIO faults like those that the log shows…',
      key: 'Ctrl+K U',
      isEnabled: always,
      run: async () => {
        if (await mmio.proposeStop()) layout.open('breakpoints');
      },
    },
    {
      id: 'export-mmio',
      title: 'Export the MMIO faults that the log shows as CSV…',
      key: 'Ctrl+K Shift+U',
      needs: 'an MMIO fault',
      isEnabled: () => mmio.total > 0,
      run: mmio.exportCsv,
    },
    {
      id: 'show-all-mmio',
      title: 'Show all MMIO faults',
      key: 'Ctrl+K Shift+A',
      needs: 'a filter in MMIO faults',
      isEnabled: () => mmio.isFiltered,
      run: () => {
        mmio.filter = ANY_FAULT;
      },
    },
  ];
}
