/** Statistics by name. */
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useStatsStore } from '../stores/stats-store.ts';
import type { Command } from './command.ts';

export function statisticsCommands(): readonly Command[] {
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const stats = useStatsStore();
  return [
    {
      id: 'reset-stats',
      title: 'Reset the statistics',
      key: 'Ctrl+K Z',
      needs: 'a machine',
      isEnabled: () => machine.hasMachine,
      run: () => {
        layout.open('statistics');
        return stats.reset();
      },
    },
  ];
}
