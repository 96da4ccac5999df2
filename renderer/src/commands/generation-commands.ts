/** The generation by name, and the measurement of what its trick is worth. */
import { useCostStore } from '../stores/cost-store.ts';
import { useGenerationStore } from '../stores/generation-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import type { Command } from './command.ts';

/** Changes before the wrap-around that the command leaves: enough to watch one pass. */
const NEAR = 3;

export function generationCommands(): readonly Command[] {
  const cost = useCostStore();
  const generation = useGenerationStore();
  const layout = useLayoutStore();
  return [
    {
      id: 'near-wrap',
      title: `Set the generation ${NEAR} changes before its wrap-around`,
      key: 'Ctrl+K N',
      waits: true,
      needs: 'an era with a generation, more than 3 changes before its wrap-around',
      isEnabled: () => generation.hasGeneration && generation.toWrap > NEAR,
      run: () => {
        layout.open('generation');
        return generation.setBeforeWrap(NEAR);
      },
    },
    {
      id: 'measure-cost',
      title: 'Measure what a memslot change costs on this machine',
      key: 'Ctrl+K Y',
      needs: 'no measurement under way',
      isEnabled: () => !cost.isRunning,
      run: () => {
        layout.open('generation');
        return cost.start();
      },
    },
    {
      id: 'cancel-cost',
      title: 'Cancel the measurement',
      key: 'Ctrl+K Shift+Y',
      needs: 'a measurement under way',
      isEnabled: () => cost.isRunning,
      run: cost.cancel,
    },
    {
      id: 'export-cost-png',
      title: 'Export the cost chart as PNG…',
      key: 'Ctrl+K Q',
      needs: 'a measurement in the Generation panel',
      isEnabled: () => cost.rows.length > 0,
      run: cost.exportPng,
    },
    {
      id: 'export-cost-csv',
      title: 'Export the cost figures as CSV…',
      key: 'Ctrl+K Shift+Q',
      needs: 'a measurement in the Generation panel',
      isEnabled: () => cost.rows.length > 0,
      run: cost.exportCsv,
    },
  ];
}
