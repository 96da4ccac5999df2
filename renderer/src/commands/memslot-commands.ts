/** Memslots by key. */
import { gpaOfFocus, useFocusStore } from '../stores/focus-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';
import type { Command } from './command.ts';

/** The page that the demo guest watches. */
const DEMO_GPA = 0xe000_0000n;

export function memslotCommands(): readonly Command[] {
  const focus = useFocusStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const memslots = useMemslotsStore();
  return [
    {
      id: 'new-slot',
      title: 'New memslot',
      isEnabled: () => machine.hasMachine,
      /** Over what somebody looks at, else where the machine stands in front of an MMIO fault, else where the demo guest polls. */
      run: () => {
        const reason = machine.status?.reason;
        const faulting = reason?.kind === 'mmio-breakpoint' ? reason.fault.gpa : undefined;
        layout.open('memslots');
        return memslots.createOver(gpaOfFocus(focus.focus) ?? faulting ?? DEMO_GPA);
      },
    },
  ];
}
