/** What is opened and saved, the start page and the tour. */
import { useDialogStore } from '../stores/dialog-store.ts';
import { focusWhenThere } from '../layout/panel-keyboard.ts';
import { useLabsStore } from '../stores/labs-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useMachineStore } from '../stores/machine-store.ts';
import { useRaceStore } from '../stores/race-store.ts';
import { useSessionStore } from '../stores/session-store.ts';
import { useTourStore } from '../stores/tour-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

export function sessionCommands(): readonly Command[] {
  const dialogs = useDialogStore();
  const layout = useLayoutStore();
  const machine = useMachineStore();
  const session = useSessionStore();
  const tour = useTourStore();
  /** The page of notes comes to the front, and the keyboard goes into it. */
  function showNotes(): void {
    useLabsStore().openId = undefined;
    useRaceStore().isOpen = false;
    layout.open('start');
    focusWhenThere('#workspace-notes');
  }
  const hasMachine = (): boolean => machine.hasMachine;
  return [
    {
      id: 'open',
      title: 'Open an image…',
      key: 'Ctrl+O',
      menu: 'File',
      isEnabled: always,
      run: () => dialogs.show('open'),
    },
    {
      id: 'open-file',
      title: 'Open a workspace, machine state or image…',
      waits: true,
      isOnceAPress: true,
      key: 'Ctrl+Shift+O',
      menu: 'File',
      isEnabled: always,
      run: () => session.open(),
    },
    {
      id: 'save-workspace',
      title: 'Save the workspace',
      waits: true,
      isOnceAPress: true,
      key: 'Ctrl+S',
      menu: 'File',
      needs: 'a machine',
      isEnabled: hasMachine,
      run: () => session.saveWorkspace(false),
    },
    {
      id: 'save-workspace-as',
      title: 'Save the workspace as…',
      key: 'Ctrl+K S',
      waits: true,
      isOnceAPress: true,
      menu: 'File',
      needs: 'a machine',
      isEnabled: hasMachine,
      run: () => session.saveWorkspace(true),
    },
    {
      id: 'save-state',
      title: 'Save the machine state…',
      waits: true,
      isOnceAPress: true,
      key: 'Ctrl+Shift+S',
      menu: 'File',
      needs: 'a machine',
      isEnabled: hasMachine,
      run: () => session.saveState(),
    },
    {
      id: 'notes',
      title: 'Write the notes of the workspace',
      key: 'Ctrl+K Shift+N',
      menu: 'File',
      isEnabled: always,
      run: showNotes,
    },
    {
      id: 'tour',
      title: 'Start the tour again',
      key: 'Ctrl+K T',
      menu: 'Help',
      isEnabled: always,
      run: tour.restart,
    },
    {
      id: 'tour-next',
      title: 'Next step of the tour',
      key: 'Ctrl+K ArrowRight',
      needs: 'a tour with a next step',
      isEnabled: () => !tour.isDismissed && !tour.isLast,
      run: () => tour.move(1),
    },
    {
      id: 'tour-previous',
      title: 'Previous step of the tour',
      key: 'Ctrl+K ArrowLeft',
      needs: 'a tour with a step before',
      isEnabled: () => !tour.isDismissed && tour.step > 0,
      run: () => tour.move(-1),
    },
    {
      id: 'tour-dismiss',
      title: 'Dismiss the tour for good',
      key: 'Ctrl+K Shift+T',
      needs: 'a tour that is shown',
      isEnabled: () => !tour.isDismissed,
      run: tour.dismiss,
    },
    {
      id: 'laboratories',
      title: 'Laboratories and recent files',
      key: 'Ctrl+K L',
      menu: 'Help',
      isEnabled: always,
      run: () => layout.open('start'),
    },
  ];
}
