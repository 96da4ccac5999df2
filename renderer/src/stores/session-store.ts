/** What is opened, saved and kept of the whole window: workspaces, machine states, the files used last, notes. */
import {
  breakpointAsked,
  type MemslotSnapshot,
  type OpenedFile,
  type RecentFile,
  type RecoverableSession,
  type StateProgress,
  type Workspace,
  type WorkspaceParts,
} from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { computed, ref, shallowRef, watch } from 'vue';
import { recallPage, rememberPage } from '../api/page-memory.ts';
import { readSavedLayout } from '../layout/saved-layout.ts';
import { deletionRegion, isDefaultMap, regionOf } from '../layout/workspace-slots.ts';
import { useBreakpointsStore } from './breakpoints-store.ts';
import { useDesktopStore } from './desktop-store.ts';
import { useLayoutStore } from './layout-store.ts';
import { useMachineStore } from './machine-store.ts';
import { useNoticesStore } from './notices-store.ts';
import { useWatchesStore } from './watches-store.ts';

type OpenedWorkspace = Extract<OpenedFile, { kind: 'workspace' }>;

const KEEP_INTERVAL = 3000;
const PROGRESS_INTERVAL = 150;
/** Behind the last letter that was typed. */
const NOTES_PAUSE = 400;

export const useSessionStore = defineStore('session', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const notices = useNoticesStore();
  const breakpoints = useBreakpointsStore();
  const layout = useLayoutStore();
  const watches = useWatchesStore();

  const notes = ref('');
  /** The notes as the file has them, and whether it had any. */
  const savedNotes = ref('');
  const hasNotesFromFile = ref(false);
  const recent = shallowRef<readonly RecentFile[]>([]);
  const recoverable = shallowRef<RecoverableSession>();
  /** A workspace whose image is not there: it waits for one. */
  const waiting = shallowRef<OpenedWorkspace>();
  const progress = shallowRef<StateProgress>();
  const path = ref<string>();
  const savedText = ref<string>();
  const presentText = ref<string>();

  const isDirty = computed(() => savedText.value !== undefined && savedText.value !== presentText.value);
  const name = computed(() => path.value?.split(/[\\/]/).at(-1));
  /** Worth an offer at the next start: notes that somebody has written, and changes to a workspace that has a file. */
  const hasUnsaved = computed(() => notes.value !== savedNotes.value || (path.value !== undefined && isDirty.value));

  async function slotsNow(): Promise<readonly MemslotSnapshot[]> {
    const answer = await desktop.call('memslots.read', {});
    return answer.ok ? answer.value.slots : [];
  }

  /** What of the window goes into a workspace; undefined while there is no machine. */
  async function parts(): Promise<WorkspaceParts | undefined> {
    if (!machine.hasMachine || machine.status === undefined) return undefined;
    const { ramBytes } = machine.status;
    const [slots, list] = await Promise.all([slotsNow(), desktop.call('breakpoints.list', {})]);
    const saved = layout.snapshot();
    return {
      ...(isDefaultMap(slots, ramBytes) ? {} : { slots: slots.map(regionOf) }),
      breakpoints: list.ok ? list.value.map(breakpointAsked) : [],
      // The dock's picture of itself is made of plain values; a copy has nothing reactive about it.
      ...(saved === undefined ? {} : { layout: JSON.parse(JSON.stringify(saved)) }),
      notes: notes.value,
      ...(watches.watches.length === 0 ? {} : { watches: watches.snapshot() }),
    };
  }

  /** The machine it was made with is part of it: with another image or other options it is changed. */
  const textOf = (present: WorkspaceParts): string =>
    JSON.stringify({ ...present, image: machine.image?.name, options: machine.options }, (_key, value: unknown) =>
      typeof value === 'bigint' ? value.toString() : value,
    );

  function settle(present: WorkspaceParts): void {
    presentText.value = textOf(present);
    savedText.value = presentText.value;
    savedNotes.value = present.notes;
    remember();
  }

  /** What is on screen belongs to no file of the user's. */
  function leaveFile(): void {
    path.value = undefined;
    savedText.value = undefined;
  }
  // Another image is another matter: what is saved then is asked for a name, and goes over nobody's file.
  watch(() => machine.image, leaveFile, { flush: 'sync' });

  async function saveWorkspace(as: boolean): Promise<boolean> {
    await recovering;
    const present = await parts();
    if (present === undefined) return false;
    const saved = await desktop.ask((host) => host.saveWorkspace(present, as || path.value === undefined));
    if (saved === undefined) return false;
    if (!saved.ok) {
      notices.add('error', saved.message);
      return false;
    }
    path.value = saved.path;
    settle(present);
    notices.settle(`Workspace saved: ${saved.path}`);
    await Promise.all([refreshRecent(), keep()]);
    return true;
  }

  async function saveState(): Promise<void> {
    if (machine.isRunning) await machine.pause();
    const saved = await whileWatched(() => desktop.ask((host) => host.saveState()));
    if (saved === undefined) return;
    if (saved.ok) notices.settle(`Machine state saved: ${saved.path}`);
    else notices.add('error', saved.message);
    await refreshRecent();
  }

  /** Shows how far a state has come, from its first page on. */
  async function whileWatched<T>(work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => {
      void desktop
        .ask((host) => host.stateProgress())
        .then((now) => {
          progress.value = now;
        });
    }, PROGRESS_INTERVAL);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      progress.value = undefined;
    }
  }

  const cancel = (): unknown => desktop.ask((host) => host.cancelState());

  async function open(index?: number): Promise<void> {
    await take(await whileWatched(() => desktop.ask((host) => host.openFile(index))));
    await refreshRecent();
  }

  /** What the program was started with, the first time or once more. @returns whether it was a file of ours */
  async function openStartupFile(): Promise<boolean> {
    const opened = await whileWatched(() => desktop.ask((host) => host.openStartupFile()));
    await take(opened);
    return opened !== undefined;
  }

  /** The program was started once more. */
  async function openStartup(): Promise<void> {
    if (!(await openStartupFile())) await machine.loadStartup();
    await refreshRecent();
  }

  async function take(opened: OpenedFile | undefined): Promise<void> {
    if (opened === undefined) return;
    if (opened.kind !== 'refused') waiting.value = undefined;
    switch (opened.kind) {
      case 'refused':
        notices.add('error', opened.message);
        return;
      case 'image':
        if (await machine.create(opened.image, machine.options)) notices.settle(`Image opened: ${opened.image.name}`);
        return;
      case 'state':
        machine.adopt(opened.opened);
        await breakpoints.refresh();
        notices.settle(`Machine state opened: ${opened.path}`);
        return;
      case 'workspace':
        await takeWorkspace(opened);
    }
  }

  async function takeWorkspace(opened: OpenedWorkspace): Promise<void> {
    if (opened.image === undefined) {
      waiting.value = opened;
      return;
    }
    waiting.value = undefined;
    if (!(await machine.create(opened.image, opened.workspace.options))) return;
    const hint = opened.workspace.notes === '' ? '' : ', with notes (Alt+H)';
    notices.settle(`Workspace opened: ${opened.path}${hint}`);
    await apply(opened.workspace);
    path.value = opened.path;
    const present = await parts();
    if (present !== undefined) settle(present);
    await keep();
  }

  /** Somebody names the image that a workspace could not find. */
  async function chooseWaitingImage(): Promise<void> {
    const opened = waiting.value;
    const chosen = await desktop.ask((host) => host.chooseImage());
    if (opened === undefined || chosen === undefined) return;
    if (chosen.ok) await takeWorkspace({ ...opened, image: chosen.value });
    else notices.add('error', chosen.message);
  }

  async function apply({
    slots,
    breakpoints: wanted,
    layout: saved,
    notes: text,
    watches: places,
  }: Workspace): Promise<void> {
    notes.value = text;
    savedNotes.value = text;
    hasNotesFromFile.value = text !== '';
    watches.restore(places ?? []);
    // One that the image has no symbol for takes none of the others away.
    if (!(await breakpoints.adopt(wanted))) {
      await breakpoints.adopt([]);
      for (const breakpoint of wanted) {
        if (!(await breakpoints.add(breakpoint)) && breakpoints.error) notices.addError(breakpoints.error);
      }
    }
    if (slots !== undefined) await applySlots(slots);
    const read = readSavedLayout(saved);
    if (read) layout.restore(read);
    else if (saved !== undefined)
      notices.add('warning', 'The layout of the workspace is of another version and was left out.');
  }

  /** What is there goes, as far as it is another, and what was saved comes. */
  async function applySlots(wanted: NonNullable<WorkspaceParts['slots']>): Promise<void> {
    const same = (slot: MemslotSnapshot): boolean =>
      wanted.some((region) => JSON.stringify(plain(region)) === JSON.stringify(plain(regionOf(slot))));
    const present = await slotsNow();
    for (const slot of present.filter((one) => !same(one))) {
      await desktop.call('memslots.set', { region: deletionRegion(slot) });
    }
    const left: string[] = [];
    const kept = new Set(present.filter(same).map(({ id }) => id));
    for (const region of wanted.filter(({ slot }) => !kept.has(slot))) {
      const set = await desktop.call('memslots.set', { region });
      if (!set.ok)
        left.push(`slot ${region.slot} (${set.error.memslot?.check ?? set.error.code}: ${set.error.message})`);
    }
    if (left.length > 0) {
      notices.add(
        'error',
        `The workspace is open, but KVM refuses memslots of it, which were left out: ${left.join('; ')}`,
      );
    }
  }

  const plain = (region: object) => Object.values(region).map(String);

  async function refreshRecent(): Promise<void> {
    recent.value = (await desktop.ask((host) => host.recentFiles())) ?? [];
  }

  /** One behind the other: the list that the host counts in is another one when the first has gone. */
  let forgetting: Promise<void> = Promise.resolve();
  function forget(file: RecentFile): Promise<void> {
    forgetting = forgetting.then(async () => {
      const index = recent.value.findIndex(({ path: one }) => one === file.path);
      if (index >= 0) recent.value = (await desktop.ask((host) => host.forgetRecent(index))) ?? [];
    });
    return forgetting;
  }

  function recover(): Promise<void> {
    const done = takeRecoverable();
    recovering = done.catch(() => undefined);
    return done;
  }
  /** Whoever saves meanwhile saves what has come back, and it stays saved. */
  let recovering: Promise<void> = Promise.resolve();

  async function takeRecoverable(): Promise<void> {
    recoverable.value = undefined;
    const opened = await desktop.ask((host) => host.recoverSession('open'));
    if (opened === undefined || opened.kind === 'recoverable') return;
    await take(opened);
    leaveFile();
    // No file has them, this time either.
    savedNotes.value = '';
    await keep();
  }

  async function discardRecoverable(): Promise<void> {
    recoverable.value = undefined;
    await desktop.ask((host) => host.recoverSession('discard'));
  }

  async function keep(): Promise<void> {
    const present = await parts();
    if (present === undefined) return;
    const text = textOf(present);
    const kept = `${hasUnsaved.value} ${text}`;
    if (kept === keptText) return;
    presentText.value = text;
    keptText = `${hasUnsaved.value} ${text}`;
    remember();
    await desktop.ask((host) => host.keepSession(present, hasUnsaved.value));
  }
  let keptText = '';

  const remember = (): void =>
    rememberPage({
      notes: notes.value,
      savedNotes: savedNotes.value,
      path: path.value,
      savedText: savedText.value,
    });

  /** The page was read anew: what only it knew is in the window's memory. */
  function resume(): void {
    const memory = recallPage();
    if (memory === undefined) return;
    notes.value = memory.notes;
    savedNotes.value = memory.savedNotes;
    path.value = memory.path;
    savedText.value = memory.savedText;
  }

  let pause: ReturnType<typeof setTimeout> | undefined;
  watch(notes, () => {
    clearTimeout(pause);
    pause = setTimeout(() => void keep(), NOTES_PAUSE);
  });

  /** To be called once, when there is a machine. */
  async function begin(): Promise<void> {
    resume();
    const found = await desktop.ask((host) => host.recoverSession('ask'));
    if (found?.kind === 'recoverable') recoverable.value = found;
    await openStartupFile();
    await refreshRecent();
    await keep();
    setInterval(() => void keep(), KEEP_INTERVAL);
  }

  return {
    notes,
    hasNotesFromFile,
    hasUnsaved,
    recent,
    recoverable,
    waiting,
    progress,
    path,
    name,
    isDirty,
    saveWorkspace,
    saveState,
    cancel,
    open,
    openStartup,
    leaveFile,
    take,
    apply,
    chooseWaitingImage,
    dismissWaiting: () => {
      waiting.value = undefined;
    },
    refreshRecent,
    forget,
    recover,
    discardRecoverable,
    keep,
    begin,
  };
});
