/** A memslot update held between its steps. */
import { useHoldStore } from '../stores/hold-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useMemslotsStore } from '../stores/memslots-store.ts';
import type { Command } from './command.ts';

export function holdCommands(): readonly Command[] {
  const hold = useHoldStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const memslots = useMemslotsStore();
  const isHeld = (): boolean => hold.isHeld;
  return [
    {
      id: 'hold-memslots',
      title: 'Apply the memslot change step by step',
      key: 'Ctrl+Shift+Enter',
      waits: true,
      needs: 'a prepared memslot change, and vCPUs without threads of their own',
      isEnabled: () => memslots.canApply && machine.status?.threads === false,
      run: () => {
        layout.open('memslots');
        return hold.begin();
      },
    },
    {
      id: 'hold-step',
      title: 'Held memslot update: next step',
      key: 'F8',
      waits: true,
      needs: 'a memslot update that is held',
      isEnabled: isHeld,
      run: hold.step,
    },
    {
      id: 'hold-vcpu',
      title: 'Held memslot update: one instruction of the selected vCPU',
      key: 'Ctrl+K H',
      waits: true,
      needs: 'a memslot update that is held',
      isEnabled: isHeld,
      run: () => hold.runVcpu(machine.selectedVcpu, 1),
    },
    {
      id: 'hold-exit',
      title: 'Held memslot update: the selected vCPU up to its next exit',
      waits: true,
      key: 'Shift+F8',
      needs: 'a memslot update that is held',
      isEnabled: isHeld,
      run: () => hold.runVcpu(machine.selectedVcpu),
    },
    {
      id: 'hold-finish',
      title: 'Held memslot update: finish it',
      waits: true,
      key: 'Ctrl+F8',
      needs: 'a memslot update that is held',
      isEnabled: isHeld,
      run: hold.finish,
    },
  ];
}
