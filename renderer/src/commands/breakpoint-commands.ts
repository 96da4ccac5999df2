/** Breakpoints by key. */
import { useBreakpointsStore } from '../stores/breakpoints-store.ts';
import { useFocusStore } from '../stores/focus-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

export function breakpointCommands(): readonly Command[] {
  const breakpoints = useBreakpointsStore();
  const focus = useFocusStore();
  const machine = useMachineStore();
  const layout = useLayoutStore();
  const hasAny = (): boolean => breakpoints.breakpoints.length > 0;
  const want = (what: 'form' | 'file') => (): void => {
    layout.open('breakpoints');
    breakpoints.wanted = what;
  };
  const target = (): bigint | undefined => focus.codeLine ?? machine.rip;
  return [
    {
      id: 'breakpoint',
      title: 'Set or remove a breakpoint on the selected line',
      key: 'F9',
      waits: true,
      isOnceAPress: true,
      menu: 'Run',
      needs: 'a selected line of code, or a machine',
      isEnabled: () => target() !== undefined,
      run: () => {
        const address = target();
        return address === undefined ? undefined : breakpoints.toggleAt(address);
      },
    },
    {
      id: 'new-breakpoint',
      title: 'New breakpoint…',
      key: 'Ctrl+K B',
      menu: 'Run',
      isEnabled: always,
      run: want('form'),
    },
    {
      id: 'disable-breakpoints',
      title: 'Disable all breakpoints',
      key: 'Ctrl+K Shift+E',
      waits: true,
      needs: 'a breakpoint that is enabled',
      isEnabled: () => breakpoints.breakpoints.some(({ enabled }) => enabled),
      run: () => breakpoints.switchAll(false),
    },
    {
      id: 'enable-breakpoints',
      title: 'Enable all breakpoints',
      key: 'Ctrl+K E',
      waits: true,
      needs: 'a breakpoint that is disabled',
      isEnabled: () => breakpoints.breakpoints.some(({ enabled }) => !enabled),
      run: () => breakpoints.switchAll(true),
    },
    {
      id: 'remove-breakpoints',
      title: 'Remove all breakpoints',
      key: 'Ctrl+K Shift+B',
      waits: true,
      needs: 'a breakpoint',
      isEnabled: hasAny,
      run: breakpoints.removeAll,
    },
    {
      id: 'export-breakpoints',
      title: 'Export breakpoints…',
      key: 'Ctrl+K X',
      waits: true,
      needs: 'a breakpoint',
      isEnabled: hasAny,
      run: breakpoints.exportFile,
    },
    {
      id: 'import-breakpoints',
      title: 'Import breakpoints…',
      key: 'Ctrl+K Shift+X',
      isEnabled: always,
      run: want('file'),
    },
  ];
}
