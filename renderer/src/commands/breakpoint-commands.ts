/** Breakpoints by key. */
import { useBreakpointsStore } from '../stores/breakpoints-store.ts';
import { useFocusStore } from '../stores/focus-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import type { Command } from './command.ts';

export function breakpointCommands(): readonly Command[] {
  const breakpoints = useBreakpointsStore();
  const focus = useFocusStore();
  const machine = useMachineStore();
  const target = (): bigint | undefined => focus.codeLine ?? machine.rip;
  return [
    {
      id: 'breakpoint',
      title: 'Set or remove a breakpoint on the selected line',
      key: 'F9',
      menu: 'Run',
      isEnabled: () => target() !== undefined,
      run: () => {
        const address = target();
        return address === undefined ? undefined : breakpoints.toggleAt(address);
      },
    },
  ];
}
