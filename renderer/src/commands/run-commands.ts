/** Running, stopping and stepping. */
import { useFocusStore } from '../stores/focus-store.ts';
import { useHoldStore } from '../stores/hold-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useRegistersStore } from '../stores/registers-store.ts';
import type { Command } from './command.ts';

export function runCommands(): readonly Command[] {
  const machine = useMachineStore();
  const focus = useFocusStore();
  const registers = useRegistersStore();
  const hold = useHoldStore();
  const count = (): number => machine.status?.vcpus.length ?? 0;
  const hasOthers = (): boolean => count() > 1;
  const selectVcpu = (distance: number): void => {
    machine.selectedVcpu = (machine.selectedVcpu + distance + count()) % count();
  };
  const isStopped = (): boolean => machine.canRun;
  const target = (): bigint | undefined => focus.codeLine ?? machine.rip;
  const runToTarget = (): unknown => {
    const address = target();
    return address === undefined ? undefined : machine.runTo(address);
  };
  return [
    {
      id: 'run',
      title: 'Run',
      key: 'F5',
      menu: 'Run',
      waits: true,
      isOnceAPress: true,
      needs: 'a guest that stands still',
      isEnabled: isStopped,
      run: machine.run,
    },
    {
      id: 'pause',
      title: 'Pause',
      key: 'F5',
      menu: 'Run',
      waits: true,
      isOnceAPress: true,
      needs: 'a guest that runs',
      isEnabled: () => machine.isRunning,
      run: machine.pause,
    },
    {
      id: 'step',
      title: 'Step into',
      waits: true,
      key: 'F11',
      menu: 'Run',
      needs: 'a guest that stands still',
      isEnabled: () => isStopped() || hold.isHeld,
      run: () => (hold.isHeld ? hold.runVcpu(machine.selectedVcpu, 1) : machine.step()),
    },
    {
      id: 'step-over',
      title: 'Step over',
      key: 'F10',
      menu: 'Run',
      waits: true,
      needs: 'a guest that stands still, and no held update',
      isEnabled: isStopped,
      run: machine.stepOver,
    },
    {
      id: 'step-out',
      title: 'Step out',
      key: 'Shift+F11',
      menu: 'Run',
      waits: true,
      needs: 'a guest that stands still, and no held update',
      isEnabled: isStopped,
      run: machine.stepOut,
    },
    {
      id: 'run-to',
      title: 'Run to the selected line',
      waits: true,
      key: 'Ctrl+F10',
      menu: 'Run',
      needs: 'a guest that stands still, and a selected line',
      isEnabled: () => machine.canRun && target() !== undefined,
      run: runToTarget,
    },
    {
      id: 'set-rip',
      title: 'Set rip to the selected line',
      waits: true,
      key: 'Ctrl+Shift+F10',
      menu: 'Run',
      needs: 'a guest that stands still, and a selected line',
      isEnabled: () => machine.canRun && focus.codeLine !== undefined,
      run: () => (focus.codeLine === undefined ? undefined : registers.setRip(focus.codeLine)),
    },
    {
      id: 'next-vcpu',
      title: 'Next vCPU',
      waits: true,
      key: 'Alt+PageDown',
      menu: 'Run',
      needs: 'more than one vCPU',
      isEnabled: hasOthers,
      run: () => selectVcpu(1),
    },
    {
      id: 'previous-vcpu',
      title: 'Previous vCPU',
      key: 'Alt+PageUp',
      waits: true,
      needs: 'more than one vCPU',
      isEnabled: hasOthers,
      run: () => selectVcpu(-1),
    },
    {
      id: 'restart',
      title: 'Restart from the first instruction',
      waits: true,
      isOnceAPress: true,
      key: 'Ctrl+Shift+F5',
      menu: 'Run',
      needs: 'an image',
      isEnabled: () => machine.image !== undefined || machine.hasMachine,
      run: machine.restart,
    },
  ];
}
