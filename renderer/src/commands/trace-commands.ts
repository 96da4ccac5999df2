/** The trace by name: the live one, and one imported from a file. */
import { useLayoutStore } from '../stores/layout-store.ts';
import { useTraceFileStore } from '../stores/trace-file-store.ts';
import { useTraceStore } from '../stores/trace-store.ts';
import { always, type Command } from './command.ts';

export function traceCommands(): readonly Command[] {
  const layout = useLayoutStore();
  const trace = useTraceStore();
  const file = useTraceFileStore();

  const show = (isFile: boolean) => (): void => {
    layout.open('trace');
    file.isShown = isFile;
  };

  return [
    {
      id: 'import-trace',
      title: 'Import a trace: an ftrace text of any machine…',
      key: 'Ctrl+K J',
      menu: 'File',
      isEnabled: always,
      run: async () => {
        layout.open('trace');
        await file.open();
      },
    },
    {
      id: 'export-trace',
      title: 'Export the lines that the trace shows as ftrace text…',
      key: 'Ctrl+K Shift+J',
      menu: 'File',
      needs: 'a traced event',
      isEnabled: () => (file.isShown ? file.count > 0 : trace.total > 0),
      run: () => (file.isShown ? file.exportShown() : trace.exportShown()),
    },
    {
      id: 'copy-trace',
      title: 'Copy the whole live trace as ftrace text',
      key: 'Ctrl+K C',
      needs: 'a traced event',
      isEnabled: () => trace.total > 0,
      run: trace.copyAll,
    },
    {
      id: 'show-live-trace',
      title: 'Show the live trace',
      key: 'Ctrl+K G',
      isChecked: () => !file.isShown,
      needs: 'an imported trace that is shown',
      isEnabled: () => file.isShown,
      run: show(false),
    },
    {
      id: 'show-imported-trace',
      title: 'Show the imported trace',
      key: 'Ctrl+K Shift+G',
      isChecked: () => file.isShown,
      needs: 'an imported trace',
      isEnabled: () => file.file !== undefined,
      run: show(true),
    },
    {
      id: 'close-imported-trace',
      title: 'Close the imported trace',
      key: 'Ctrl+K Shift+C',
      needs: 'an imported trace',
      isEnabled: () => file.file !== undefined,
      run: file.close,
    },
    {
      id: 'newest-trace',
      title: 'Go to the newest line of the trace',
      key: 'Ctrl+K End',
      needs: 'a trace that shows the past',
      isEnabled: () => trace.past !== undefined,
      run: trace.showNewest,
    },
  ];
}
