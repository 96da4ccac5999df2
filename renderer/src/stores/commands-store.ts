/** Every command of every family; the palette, the keyboard, the menus and the run bar all ask here. */
import { defineStore } from 'pinia';
import { breakpointCommands } from '../commands/breakpoint-commands.ts';
import type { Command } from '../commands/command.ts';
import { editCommands } from '../commands/edit-commands.ts';
import { goCommands } from '../commands/go-commands.ts';
import { memslotCommands } from '../commands/memslot-commands.ts';
import { panelCommands } from '../commands/panel-commands.ts';
import { runCommands } from '../commands/run-commands.ts';
import { sessionCommands } from '../commands/session-commands.ts';
import { statisticsCommands } from '../commands/statistics-commands.ts';

/** In the order in which palette and menus list them. */
const FAMILIES: readonly (() => readonly Command[])[] = [
  runCommands,
  breakpointCommands,
  sessionCommands,
  editCommands,
  goCommands,
  memslotCommands,
  statisticsCommands,
  panelCommands,
];

export const useCommandsStore = defineStore('commands', () => {
  const commands: readonly Command[] = FAMILIES.flatMap((family) => family());
  const find = (id: string): Command | undefined => commands.find((command) => command.id === id);
  const hasKey = ({ key, moreKeys }: Command, wanted: string): boolean =>
    key === wanted || (moreKeys?.includes(wanted) ?? false);

  function execute(id: string): void {
    const command = find(id);
    if (command?.isEnabled()) void command.run();
  }

  /**
   * @param inText whether somebody is typing text, which has its own undo
   * @returns whether a command has the key
   */
  function executeKey(key: string, inText = false): boolean {
    const candidates = commands.filter((command) => hasKey(command, key) && !(inText && command.yieldsToText));
    void candidates.find(({ isEnabled }) => isEnabled())?.run();
    return candidates.length > 0;
  }

  return { commands, find, execute, executeKey };
});
