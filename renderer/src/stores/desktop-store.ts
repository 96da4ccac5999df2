/** The way out of the page: the engine's requests and the host's verbs. Every other store asks through here. */
import type {
  Answer,
  CostState,
  EngineEvent,
  ExportAnswer,
  ExportKind,
  ImageAnswer,
  MenuCommand,
  MenuModel,
  Params,
  PresentMachine,
  RequestName,
  ThemeChoice,
  UmbraDesktop,
} from '@core/protocol/index.ts';
import { defineStore } from 'pinia';
import { shallowRef } from 'vue';
import type { MmuMode } from '../api/contract-words.ts';
import { transportError } from '../api/request-refusal.ts';
import { useNoticesStore } from './notices-store.ts';

export const useDesktopStore = defineStore('desktop', () => {
  const notices = useNoticesStore();
  const desktop = shallowRef<UmbraDesktop>();
  const guests = shallowRef<readonly string[]>([]);

  function connected(): UmbraDesktop {
    if (desktop.value === undefined) throw new Error('the window has no host');
    return desktop.value;
  }

  function connect(host: UmbraDesktop): void {
    desktop.value = host;
  }

  /** Never rejects: whatever goes wrong is an answer. */
  async function call<K extends RequestName>(name: K, params: Params<K>): Promise<Answer<K>> {
    try {
      return await connected().request(name, params);
    } catch (cause) {
      return { ok: false, error: transportError(cause) };
    }
  }

  async function image(ask: (host: UmbraDesktop) => Promise<ImageAnswer>): Promise<ImageAnswer> {
    try {
      return await ask(connected());
    } catch (cause) {
      return { ok: false, message: transportError(cause).message };
    }
  }

  const startupImage = (): Promise<ImageAnswer> => image((host) => host.startupImage());

  /** What the machine was made from; undefined when there is none, or nobody to ask. */
  async function presentMachine(): Promise<PresentMachine | undefined> {
    try {
      return await connected().presentMachine();
    } catch {
      return undefined;
    }
  }

  const readGuest = (name: string): Promise<ImageAnswer> => image((host) => host.readGuest(name));

  async function loadGuestNames(): Promise<void> {
    try {
      guests.value = await connected().guestNames();
    } catch {
      // Without the list there is still the file chooser; the dialog says that there are none.
      guests.value = [];
    }
  }

  /** Never rejects; undefined when nothing could be asked. */
  async function ask<T>(question: (host: UmbraDesktop) => Promise<T>): Promise<T | undefined> {
    try {
      return await question(connected());
    } catch {
      return undefined;
    }
  }

  const copyText = (text: string): Promise<void> => connected().copyText(text);
  const theme = (): Promise<ThemeChoice> => connected().theme();
  const setTheme = (choice: ThemeChoice): Promise<void> => connected().setTheme(choice);
  const setMenu = (menu: readonly MenuModel[]): Promise<void> => connected().setMenu(menu);
  /** Says of itself where a file went, and why it could not be written. @returns whether it was */
  async function saveFile(name: string, kind: ExportKind, bytes: Uint8Array): Promise<boolean> {
    let answer: ExportAnswer;
    try {
      answer = await connected().saveExport({ name, kind, bytes });
    } catch (cause) {
      answer = { ok: false, message: transportError(cause).message };
    }
    if (answer?.ok === true) notices.add('info', `Written: ${answer.path}`);
    else if (answer?.ok === false) notices.add('error', answer.message);
    return answer?.ok === true;
  }

  const startCost = (mmu: MmuMode): Promise<CostState> => connected().startCost(mmu);
  const costState = (): Promise<CostState> => connected().costState();
  const cancelCost = (): Promise<CostState> => connected().cancelCost();
  const onEvent = (listener: (event: EngineEvent) => void): (() => void) => connected().onEvent(listener);
  const onMenu = (listener: (command: MenuCommand) => void): (() => void) => connected().onMenu(listener);

  return {
    desktop,
    guests,
    connect,
    call,
    ask,
    startupImage,
    presentMachine,
    readGuest,
    loadGuestNames,
    copyText,
    theme,
    setTheme,
    setMenu,
    saveFile,
    startCost,
    costState,
    cancelCost,
    onEvent,
    onMenu,
  };
});
