/** Every command of every family; the palette, the keyboard, the menus and the run bar all ask here. */
import { defineStore } from 'pinia';
import { computed, ref } from 'vue';
import * as v from 'valibot';
import { breakpointCommands } from '../commands/breakpoint-commands.ts';
import type { Command } from '../commands/command.ts';
import { editCommands } from '../commands/edit-commands.ts';
import { generationCommands } from '../commands/generation-commands.ts';
import { goCommands } from '../commands/go-commands.ts';
import { holdCommands } from '../commands/hold-commands.ts';
import { layoutCommands } from '../commands/layout-commands.ts';
import { memslotCommands } from '../commands/memslot-commands.ts';
import { mmioCommands } from '../commands/mmio-commands.ts';
import { panelCommands } from '../commands/panel-commands.ts';
import { runCommands } from '../commands/run-commands.ts';
import { sessionCommands } from '../commands/session-commands.ts';
import { spteCommands } from '../commands/spte-commands.ts';
import { statisticsCommands } from '../commands/statistics-commands.ts';
import { traceCommands } from '../commands/trace-commands.ts';

/** In the order in which palette and menus list them. */
const FAMILIES: readonly (() => readonly Command[])[] = [
  runCommands,
  breakpointCommands,
  sessionCommands,
  editCommands,
  goCommands,
  memslotCommands,
  holdCommands,
  spteCommands,
  mmioCommands,
  traceCommands,
  generationCommands,
  statisticsCommands,
  panelCommands,
  layoutCommands,
];

const RECENT_KEY = 'umbra.recent-commands';
const MAX_RECENT = 8;
const recentSchema = v.array(v.pipe(v.string(), v.maxLength(100)));

/** What is stored is hostile: it names commands, or nothing. */
function readRecent(): readonly string[] {
  try {
    const parsed = v.safeParse(recentSchema, JSON.parse(localStorage.getItem(RECENT_KEY) ?? '[]'));
    return parsed.success ? parsed.output.slice(0, MAX_RECENT) : [];
  } catch {
    return [];
  }
}

export const useCommandsStore = defineStore('commands', () => {
  // Made again when a family has other commands: for each layout that has a name there is one.
  const commands = computed(() => FAMILIES.flatMap((family) => family()));
  const find = (id: string): Command | undefined => commands.value.find((command) => command.id === id);
  const hasKey = ({ key, moreKeys }: Command, wanted: string): boolean =>
    key === wanted || (moreKeys?.includes(wanted) ?? false);

  /** Ids of the commands last chosen by name, newest first, from start to start. */
  const recent = ref(readRecent());

  function remember(id: string): void {
    recent.value = [id, ...recent.value.filter((one) => one !== id)].slice(0, MAX_RECENT);
    localStorage.setItem(RECENT_KEY, JSON.stringify(recent.value));
  }

  function execute(id: string): void {
    const command = find(id);
    if (command?.isEnabled()) void command.run();
  }

  /**
   * @param inText whether somebody is typing text, which has its own undo
   * @returns whether a command has the key
   */
  function executeKey(key: string, inText = false): boolean {
    const candidates = commands.value.filter((command) => hasKey(command, key) && !(inText && command.yieldsToText));
    void candidates.find(({ isEnabled }) => isEnabled())?.run();
    return candidates.length > 0;
  }

  return { commands, recent, remember, find, execute, executeKey };
});
