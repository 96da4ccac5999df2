/** Layouts of the dock and the look of the window. */
import type { ThemeChoice } from '@core/protocol/index.ts';
import { useDialogStore } from '../stores/dialog-store.ts';
import { useLayoutStore } from '../stores/layout-store.ts';
import { useNamedLayoutsStore } from '../stores/named-layouts-store.ts';
import { useThemeStore } from '../stores/theme-store.ts';
import { always } from './command.ts';
import type { Command } from './command.ts';

const THEME_TITLES: Readonly<Record<ThemeChoice, string>> = {
  system: 'Theme: as the system has it',
  dark: 'Theme: dark',
  light: 'Theme: light',
};

export function layoutCommands(): readonly Command[] {
  const dialogs = useDialogStore();
  const layout = useLayoutStore();
  const layouts = useNamedLayoutsStore();
  const theme = useThemeStore();
  const themeCommand = (choice: ThemeChoice): Command => ({
    id: `theme-${choice}`,
    title: THEME_TITLES[choice],
    menu: 'View',
    isChecked: () => theme.choice === choice,
    isEnabled: always,
    run: () => theme.choose(choice),
  });
  return [
    {
      id: 'save-layout',
      title: 'Save the layout as…',
      menu: 'View',
      isEnabled: always,
      run: () => dialogs.show('save-layout'),
    },
    ...layouts.names.flatMap((name): readonly Command[] => [
      {
        id: `layout ${name}`,
        title: `Layout: ${name}`,
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
    { id: 'reset-layout', title: 'Reset the layout', menu: 'View', isEnabled: always, run: layout.reset },
    themeCommand('system'),
    themeCommand('dark'),
    themeCommand('light'),
  ];
}
