/** Every command of every family; the palette, the keyboard, the menus and the run bar all ask here. */
import { defineStore } from 'pinia';
import { computed, ref, watch } from 'vue';
import * as v from 'valibot';
import { breakpointCommands } from '../commands/breakpoint-commands.ts';
import type { Command } from '../commands/command.ts';
import { editCommands } from '../commands/edit-commands.ts';
import { generationCommands } from '../commands/generation-commands.ts';
import { goCommands } from '../commands/go-commands.ts';
import { holdCommands } from '../commands/hold-commands.ts';
import { layoutCommands } from '../commands/layout-commands.ts';
import { memoryCommands } from '../commands/memory-commands.ts';
import { memslotCommands } from '../commands/memslot-commands.ts';
import { mmioCommands } from '../commands/mmio-commands.ts';
import { panelCommands } from '../commands/panel-commands.ts';
import { runCommands } from '../commands/run-commands.ts';
import { sessionCommands } from '../commands/session-commands.ts';
import { spteCommands } from '../commands/spte-commands.ts';
import { statisticsCommands } from '../commands/statistics-commands.ts';
import { traceCommands } from '../commands/trace-commands.ts';
import { useMachineStore } from './machine-store.ts';
import { useTurnsStore } from './turns-store.ts';

/** In the order in which palette and menus list them. */
const FAMILIES: readonly (() => readonly Command[])[] = [
  runCommands,
  breakpointCommands,
  sessionCommands,
  editCommands,
  goCommands,
  memoryCommands,
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

/** Of the event that a key comes with. */
interface KeyPress {
  /** Somebody is typing text, which has its own undo. */
  readonly inText?: boolean;
  /** The key is held down, and comes again by itself. */
  readonly isRepeat?: boolean;
}

export const useCommandsStore = defineStore('commands', () => {
  const machine = useMachineStore();
  const turns = useTurnsStore();
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

  /** Keys are pressed faster than answered: what waits is decided when it is known what came of the one before. */
  let deferred: (() => void)[] = [];
  const isUnderWay = computed(() => turns.isBusy || machine.isStepping);

  function inTurn(decide: () => void): void {
    if (isUnderWay.value || deferred.length > 0) deferred.push(decide);
    else decide();
  }

  watch(
    isUnderWay,
    () => {
      while (!isUnderWay.value) {
        const decide = deferred.shift();
        if (decide === undefined) return;
        decide();
      }
    },
    { flush: 'sync' },
  );
  // A step that took its time and ended elsewhere: what was pressed was meant for where it should have ended.
  watch(
    () => machine.isStepping,
    (isStepping) => {
      if (!isStepping && machine.status?.reason.kind !== 'step') deferred = [];
    },
    { flush: 'sync' },
  );

  /** Whoever pauses a step that takes its time does not wait for its end. */
  const endsStep = ({ id }: Command): boolean => id === 'pause' && machine.isStepping && !turns.isBusy;

  function execute(id: string): void {
    const act = (): void => {
      const command = find(id);
      if (command?.isEnabled()) void command.run();
    };
    const command = find(id);
    if (command?.waits === true && !endsStep(command)) inTurn(act);
    else act();
  }

  /** @returns whether a command has the key */
  function executeKey(key: string, { inText = false, isRepeat = false }: KeyPress = {}): boolean {
    const candidates = (): readonly Command[] =>
      commands.value.filter((command) => hasKey(command, key) && !(inText && command.yieldsToText));
    const now = candidates();
    const act = (): void =>
      void candidates()
        .find(({ isEnabled }) => isEnabled())
        ?.run();
    if (isRepeat && now.some(({ isOnceAPress }) => isOnceAPress)) return true;
    if (now.some(endsStep) || !now.some(({ waits }) => waits)) act();
    // Who holds a key down sees how far it has got; nothing goes on behind the finger.
    else if (!isRepeat || !isUnderWay.value) inTurn(act);
    return now.length > 0;
  }

  return { commands, recent, remember, find, execute, executeKey };
});
