/** Layouts of the dock and the look of the window. */
import type { ThemeChoice } from '@core/protocol/index.ts';
import { useDialogStore } from '../stores/dialog-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useNamedLayoutsStore } from '../stores/named-layouts-store.ts';
import { useThemeStore } from '../stores/theme-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

const THEMES: Readonly<Record<ThemeChoice, { readonly title: string; readonly key: string }>> = {
  system: { title: 'Theme: as the system has it', key: 'Ctrl+K /' },
  dark: { title: 'Theme: dark', key: 'Ctrl+K ,' },
  light: { title: 'Theme: light', key: 'Ctrl+K .' },
};
/** Layouts of the user's have the digits, in the order of their names. */
const MOST_KEYS = 9;

export function layoutCommands(): readonly Command[] {
  const dialogs = useDialogStore();
  const layout = useLayoutStore();
  const layouts = useNamedLayoutsStore();
  const theme = useThemeStore();
  const themeCommand = (choice: ThemeChoice): Command => ({
    id: `theme-${choice}`,
    ...THEMES[choice],
    menu: 'View',
    isChecked: () => theme.choice === choice,
    isEnabled: always,
    run: () => theme.choose(choice),
  });
  return [
    {
      id: 'save-layout',
      title: 'Save the layout as…',
      key: 'Ctrl+K Enter',
      menu: 'View',
      isEnabled: always,
      run: () => dialogs.show('save-layout'),
    },
    ...layouts.names.flatMap((name, i): readonly Command[] => [
      {
        id: `layout ${name}`,
        title: `Layout: ${name}`,
        ...(i < MOST_KEYS ? { key: `Ctrl+K ${i + 1}` } : {}),
        menu: 'View',
        isEnabled: always,
        run: () => layouts.apply(name),
      },
      {
        id: `delete-layout ${name}`,
        title: `Delete the layout: ${name}`,
        isEnabled: always,
        run: () => layouts.remove(name),
      },
    ]),
    {
      id: 'reset-layout',
      title: 'Reset the layout',
      key: 'Ctrl+K Backspace',
      menu: 'View',
      isEnabled: always,
      run: layout.reset,
    },
    themeCommand('system'),
    themeCommand('dark'),
    themeCommand('light'),
  ];
}
