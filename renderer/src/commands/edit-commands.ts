/** Taking edits back. */
import { useEditHistoryStore } from '../stores/edit-history-store.ts';
import type { Command } from './command.ts';

export function editCommands(): readonly Command[] {
  const edits = useEditHistoryStore();
  return [
    {
      id: 'undo',
      get title() {
        return edits.undoTitle === undefined ? 'Undo' : `Undo: ${edits.undoTitle}`;
      },
      key: 'Ctrl+Z',
      menu: 'Edit',
      yieldsToText: true,
      waits: true,
      needs: 'an edit of registers, memory, memslots or breakpoints',
      isEnabled: () => edits.canUndo,
      run: edits.undo,
    },
    {
      id: 'redo',
      get title() {
        return edits.redoTitle === undefined ? 'Redo' : `Redo: ${edits.redoTitle}`;
      },
      key: 'Ctrl+Shift+Z',
      moreKeys: ['Ctrl+Y'],
      menu: 'Edit',
      yieldsToText: true,
      waits: true,
      needs: 'an edit that was taken back',
      isEnabled: () => edits.canRedo,
      run: edits.redo,
    },
  ];
}
