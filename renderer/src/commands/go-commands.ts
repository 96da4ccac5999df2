/** Finding one's way: to a place, to the current instruction, back and forward. */
import { useDialogStore } from '../stores/dialog-store.ts';
import { useDisassemblyStore } from '../stores/disassembly-store.ts';
import { useFocusStore } from '../stores/focus-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

export function goCommands(): readonly Command[] {
  const dialogs = useDialogStore();
  const focus = useFocusStore();
  const layout = useLayoutStore();
  return [
    {
      id: 'go-to',
      title: 'Go to anything…',
      key: 'Ctrl+P',
      moreKeys: ['Ctrl+G'],
      menu: 'Go',
      isEnabled: always,
      run: () => dialogs.show('go-to'),
    },
    {
      id: 'palette',
      title: 'All commands…',
      key: 'Ctrl+Shift+P',
      menu: 'View',
      isEnabled: always,
      run: () => dialogs.show('palette'),
    },
    { id: 'keys', title: 'Keys', key: 'F1', menu: 'Help', isEnabled: always, run: () => dialogs.show('keys') },
    {
      id: 'go-to-rip',
      title: 'Show the current instruction',
      key: 'Alt+Home',
      menu: 'Go',
      isEnabled: always,
      run: () => useDisassemblyStore(layout.open('disassembly')).goToRip(),
    },
    {
      id: 'back',
      title: 'Go back',
      key: 'Alt+ArrowLeft',
      menu: 'Go',
      needs: 'a place that was looked at before',
      isEnabled: () => focus.canGoBack,
      run: focus.back,
    },
    {
      id: 'forward',
      title: 'Go forward',
      key: 'Alt+ArrowRight',
      menu: 'Go',
      needs: 'a place that was gone back from',
      isEnabled: () => focus.canGoForward,
      run: focus.forward,
    },
  ];
}
