/** Memslots by key. */
import { useDirtyLogStore } from '../stores/dirty-log-store.ts';
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
  const dirty = useDirtyLogStore();
  const selected = (): number | undefined =>
    memslots.region?.slot ?? (focus.focus?.kind === 'slot' ? focus.focus.slot : undefined);
  const exists = (): boolean => memslots.slots.some(({ id }) => id === selected());
  const withSelected = (act: (slot: number) => unknown) => (): unknown => {
    const slot = selected();
    if (slot === undefined) return undefined;
    layout.open('memslots');
    return act(slot);
  };
  /** What it does, and why not, is shown there. */
  const inSight = (act: () => unknown) => (): unknown => {
    layout.open('memslots');
    return act();
  };
  return [
    {
      id: 'new-slot',
      title: 'New memslot',
      key: 'Ctrl+K M',
      waits: true,
      needs: 'a machine',
      isEnabled: () => machine.hasMachine,
      /** Over what somebody looks at, else where the machine stands in front of an MMIO fault, else where the demo guest polls. */
      run: () => {
        const reason = machine.status?.reason;
        const faulting = reason?.kind === 'mmio-breakpoint' ? reason.fault.gpa : undefined;
        layout.open('memslots');
        return memslots.createOver(gpaOfFocus(focus.focus) ?? faulting ?? DEMO_GPA);
      },
    },
    {
      id: 'edit-slot',
      title: 'Edit the selected memslot',
      key: 'Ctrl+K Shift+M',
      waits: true,
      needs: 'a selected memslot',
      isEnabled: exists,
      run: withSelected((slot) => {
        const target = memslots.targetOf(slot);
        return target && memslots.editTarget(target);
      }),
    },
    {
      id: 'stage-slot',
      title: 'Stage the memslot change that is being edited',
      key: 'Ctrl+K P',
      waits: true,
      needs: 'a memslot in the editor',
      isEnabled: () => memslots.region !== undefined,
      run: inSight(memslots.stageDraft),
    },
    {
      id: 'delete-slot',
      title: 'Stage the deletion of the selected memslot',
      key: 'Ctrl+K Delete',
      waits: true,
      needs: 'a selected memslot',
      isEnabled: exists,
      run: withSelected(memslots.stageDeletion),
    },
    {
      id: 'apply-memslots',
      get title() {
        const { length } = memslots.plan;
        return length > 1 ? `Apply ${length} memslot changes` : 'Apply the memslot change';
      },
      key: 'Ctrl+Enter',
      waits: true,
      isOnceAPress: true,
      needs: 'a prepared memslot change',
      isEnabled: () => memslots.canApply,
      run: inSight(memslots.apply),
    },
    {
      id: 'drop-memslots',
      title: 'Drop all prepared memslot changes',
      key: 'Ctrl+K Shift+P',
      needs: 'a prepared memslot change',
      isEnabled: () => memslots.plan.length > 0,
      run: inSight(memslots.dropAll),
    },
    {
      id: 'read-dirty-log',
      title: 'Read the dirty log of the selected memslot',
      key: 'Ctrl+K D',
      waits: true,
      needs: 'a selected memslot that logs dirty pages',
      isEnabled: () => dirty.logging.some(({ id }) => id === selected()),
      run: withSelected(dirty.read),
    },
    {
      id: 'read-dirty-logs',
      title: 'Read the dirty logs of all memslots that log',
      key: 'Ctrl+K Shift+D',
      waits: true,
      needs: 'a memslot that logs dirty pages',
      isEnabled: () => dirty.logging.length > 0,
      run: dirty.readAll,
    },
  ];
}
