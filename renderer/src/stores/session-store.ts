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
import { computed, ref, shallowRef } from 'vue';
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

export const useSessionStore = defineStore('session', () => {
  const desktop = useDesktopStore();
  const machine = useMachineStore();
  const notices = useNoticesStore();
  const breakpoints = useBreakpointsStore();
  const layout = useLayoutStore();
  const watches = useWatchesStore();

  const notes = ref('');
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

  const textOf = (present: WorkspaceParts): string =>
    JSON.stringify(present, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));

  function settle(present: WorkspaceParts): void {
    presentText.value = textOf(present);
    savedText.value = presentText.value;
  }

  async function saveWorkspace(as: boolean): Promise<boolean> {
    const present = await parts();
    if (present === undefined) return false;
    const saved = await desktop.ask((host) => host.saveWorkspace(present, as));
    if (saved === undefined) return false;
    if (!saved.ok) {
      notices.add('error', saved.message);
      return false;
    }
    path.value = saved.path;
    settle(present);
    notices.add('info', `Workspace saved: ${saved.path}`);
    await refreshRecent();
    return true;
  }

  async function saveState(): Promise<void> {
    if (machine.isRunning) await machine.pause();
    const saved = await whileWatched(() => desktop.ask((host) => host.saveState()));
    if (saved === undefined) return;
    notices.add(saved.ok ? 'info' : 'error', saved.ok ? `Machine state saved: ${saved.path}` : saved.message);
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

  async function take(opened: OpenedFile | undefined): Promise<void> {
    if (opened === undefined) return;
    switch (opened.kind) {
      case 'refused':
        notices.add('error', opened.message);
        return;
      case 'image':
        await machine.create(opened.image, machine.options);
        return;
      case 'state':
        machine.adopt(opened.opened);
        await breakpoints.refresh();
        notices.add('info', `Machine state opened: ${opened.path}`);
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
    await apply(opened.workspace);
    path.value = opened.path;
    const present = await parts();
    if (present !== undefined) settle(present);
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

  async function recover(): Promise<void> {
    recoverable.value = undefined;
    const opened = await desktop.ask((host) => host.recoverSession('open'));
    if (opened === undefined || opened.kind === 'recoverable') return;
    await take(opened);
    // It belongs to no file of the user's.
    path.value = undefined;
    savedText.value = undefined;
  }

  async function discardRecoverable(): Promise<void> {
    recoverable.value = undefined;
    await desktop.ask((host) => host.recoverSession('discard'));
  }

  async function keep(): Promise<void> {
    const present = await parts();
    if (present === undefined) return;
    const text = textOf(present);
    if (text === presentText.value) return;
    const isFirst = presentText.value === undefined;
    presentText.value = text;
    if (isFirst) savedText.value ??= text;
    await desktop.ask((host) => host.keepSession(present));
  }

  /** To be called once, when there is a machine. */
  async function begin(): Promise<void> {
    const found = await desktop.ask((host) => host.recoverSession('ask'));
    if (found?.kind === 'recoverable') recoverable.value = found;
    await refreshRecent();
    await keep();
    setInterval(() => void keep(), KEEP_INTERVAL);
  }

  return {
    notes,
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
