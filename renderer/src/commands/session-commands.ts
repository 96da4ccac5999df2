/** What is opened and saved. */
import { useDialogStore } from '../stores/dialog-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

export function sessionCommands(): readonly Command[] {
  const dialogs = useDialogStore();
  return [
    {
      id: 'open',
      title: 'Open an image…',
      key: 'Ctrl+O',
      menu: 'File',
      isEnabled: always,
      run: () => dialogs.show('open'),
    },
  ];
}
