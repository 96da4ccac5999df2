/** What can be done, each with its name and its key; the palette, the keyboard and the run bar all ask here. */
import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import { PANEL_KINDS, PANEL_TITLES } from '../layout/panel-kinds.ts';
import { useBreakpointsStore } from './breakpoints-store.ts';
import { useDisassemblyStore } from './disassembly-store.ts';
import { gpaOfFocus, useFocusStore } from './focus-store.ts';
import { useLayoutStore } from './layout-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useMemslotsStore } from './memslots-store.ts';
import { useStatsStore } from './stats-store.ts';

/** By panel: the digits for the first ten, initials for the rest. */
const PANEL_KEYS = '1234567890WTS';

/** The page that the demo guest watches. */
const DEMO_GPA = 0xe000_0000n;

export interface Command {
  readonly id: string;
  readonly title: string;
  /** As `keyOf` writes it: 'Ctrl+Shift+P'. */
  readonly key?: string;
  readonly isEnabled: () => boolean;
  readonly run: () => unknown;
}

export type Dialog = 'palette' | 'open' | 'go-to';

export const useCommandsStore = defineStore('commands', () => {
  const machine = useMachineStore();
  const breakpoints = useBreakpointsStore();
  const disassembly = useDisassemblyStore();
  const memslots = useMemslotsStore();
  const focus = useFocusStore();
  const layout = useLayoutStore();
  const stats = useStatsStore();
  const dialog = ref<Dialog>();
  /** The line that the cursor of the disassembly is on; F9 and run-to mean it. */
  const cursor = ref<bigint>();

  const always = (): boolean => true;
  const show = (next: Dialog): void => {
    dialog.value = next;
  };
  const target = computed(() => cursor.value ?? machine.rip);
  const atTarget = (act: (address: bigint) => unknown) => () =>
    target.value === undefined ? undefined : act(target.value);
  /** Over what somebody looks at, else where the machine stands in front of an MMIO fault, else where the demo guest polls. */
  const newSlot = (): void => {
    const reason = machine.status?.reason;
    const faulting = reason?.kind === 'mmio-breakpoint' ? reason.fault.gpa : undefined;
    layout.open('memslots');
    void memslots.createOver(gpaOfFocus(focus.focus) ?? faulting ?? DEMO_GPA);
  };

  const commands: readonly Command[] = [
    { id: 'run', title: 'Run', key: 'F5', isEnabled: () => machine.canRun, run: machine.run },
    { id: 'pause', title: 'Pause', key: 'F5', isEnabled: () => machine.isRunning, run: machine.pause },
    { id: 'step', title: 'Step into', key: 'F11', isEnabled: () => machine.canRun, run: machine.step },
    { id: 'step-over', title: 'Step over', key: 'F10', isEnabled: () => machine.canRun, run: machine.stepOver },
    { id: 'step-out', title: 'Step out', key: 'Shift+F11', isEnabled: () => machine.canRun, run: machine.stepOut },
    {
      id: 'run-to',
      title: 'Run to the selected line',
      key: 'Ctrl+F10',
      isEnabled: () => machine.canRun && target.value !== undefined,
      run: atTarget(machine.runTo),
    },
    {
      id: 'restart',
      title: 'Restart from the first instruction',
      key: 'Ctrl+Shift+F5',
      isEnabled: () => machine.image !== undefined || machine.hasMachine,
      run: machine.restart,
    },
    {
      id: 'breakpoint',
      title: 'Set or remove a breakpoint on the selected line',
      key: 'F9',
      isEnabled: () => target.value !== undefined,
      run: atTarget(breakpoints.toggleAt),
    },
    { id: 'open', title: 'Open an image…', key: 'Ctrl+O', isEnabled: always, run: () => show('open') },
    { id: 'go-to', title: 'Go to an address or symbol…', key: 'Ctrl+G', isEnabled: always, run: () => show('go-to') },
    { id: 'palette', title: 'All commands…', key: 'Ctrl+Shift+P', isEnabled: always, run: () => show('palette') },
    {
      id: 'go-to-rip',
      title: 'Show the current instruction',
      key: 'Alt+Home',
      isEnabled: always,
      run: disassembly.goToRip,
    },
    { id: 'back', title: 'Go back', key: 'Alt+ArrowLeft', isEnabled: () => focus.canGoBack, run: focus.back },
    {
      id: 'forward',
      title: 'Go forward',
      key: 'Alt+ArrowRight',
      isEnabled: () => focus.canGoForward,
      run: focus.forward,
    },
    { id: 'new-slot', title: 'New memslot', isEnabled: () => machine.hasMachine, run: newSlot },
    { id: 'reset-stats', title: 'Reset the statistics', isEnabled: () => machine.hasMachine, run: stats.reset },
    { id: 'reset-layout', title: 'Reset the layout', isEnabled: always, run: layout.reset },
    ...PANEL_KINDS.map((kind, index) => ({
      id: `panel-${kind}`,
      title: `Show panel: ${PANEL_TITLES[kind]}`,
      key: `Alt+${PANEL_KEYS[index]}`,
      isEnabled: always,
      run: () => layout.open(kind),
    })),
  ];

  const find = (id: string): Command | undefined => commands.find((command) => command.id === id);

  function execute(id: string): void {
    const command = find(id);
    if (command?.isEnabled()) void command.run();
  }

  /** @returns whether a command has the key */
  function executeKey(key: string): boolean {
    const candidates = commands.filter((command) => command.key === key);
    void candidates.find(({ isEnabled }) => isEnabled())?.run();
    return candidates.length > 0;
  }

  function closeDialog(): void {
    dialog.value = undefined;
  }

  return { dialog, cursor, commands, find, execute, executeKey, closeDialog };
});
