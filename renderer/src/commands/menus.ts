/** The menus of the application, made from the table of commands. */
import type { MenuModel } from '@core/protocol/index.ts';
import { MENU_NAMES } from './command.ts';
import type { Command } from './command.ts';

export const menusOf = (commands: readonly Command[]): MenuModel[] =>
  MENU_NAMES.map((title) => ({
    title,
    items: commands
      .filter(({ menu }) => menu === title)
      .map(({ id, title: text, key, isEnabled, isChecked }) => ({
        id,
        title: text,
        isEnabled: isEnabled(),
        ...(key === undefined ? {} : { key }),
        ...(isChecked === undefined ? {} : { isChecked: isChecked() }),
      })),
  }));
