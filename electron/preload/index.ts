/**
 * The only thing the page can reach of Electron: a frozen object of verbs. No channel name, no event object and no part of
 * `ipcRenderer` crosses over. Everything is checked again on the other side (electron/main/ipc-border.ts).
 */
import { contextBridge, ipcRenderer } from 'electron';
import { CHANNEL, PLATFORM_SWITCH } from '../../core/protocol/desktop-channels.ts';
import { PORT_GREETING } from '../../core/protocol/engine-port.ts';
import type { DesktopReplies, DesktopVerb, PlatformInfo, UmbraDesktop } from '../../core/protocol/desktop.ts';

const ask = <V extends DesktopVerb>(verb: V, params: object = {}): Promise<DesktopReplies[V]> =>
  ipcRenderer.invoke(CHANNEL.desktop, verb, params);

/** Subscribes to a channel of main without handing out the event. */
const listen = <T>(channel: string, listener: (message: T) => void): (() => void) => {
  const forward = (_event: unknown, message: T): void => listener(message);
  ipcRenderer.on(channel, forward);
  return () => ipcRenderer.removeListener(channel, forward);
};

const platform: PlatformInfo = JSON.parse(
  process.argv.find((argument) => argument.startsWith(PLATFORM_SWITCH))?.slice(PLATFORM_SWITCH.length) ?? 'null',
);

/** What of the page's window this world needs; the rest of the program has no window. */
declare const window: {
  readonly location: { readonly origin: string };
  postMessage(message: string, origin: string, ports: readonly object[]): void;
};

/** Asked for at once, so that it lies ready when the page has been read. */
const port = new Promise<object>((resolve) => ipcRenderer.once(CHANNEL.port, ({ ports }) => resolve(ports[0])));
ipcRenderer.send(CHANNEL.port);

const desktop: UmbraDesktop = {
  platform,
  // Nothing but a window message carries a port from this world into the page's.
  connectEngine: () => void port.then((own) => window.postMessage(PORT_GREETING, window.location.origin, [own])),
  request: (name, params) => ipcRenderer.invoke(CHANNEL.engine, name, params),
  onEvent: (listener) => listen(CHANNEL.event, listener),
  startupImage: () => ask('image.startup'),
  presentMachine: () => ask('machine.present'),
  chooseImage: () => ask('image.choose'),
  guestNames: () => ask('guest.list'),
  readGuest: (name) => ask('guest.read', { name }),
  openFile: (recent) => ask('session.open', recent === undefined ? {} : { recent }),
  saveWorkspace: (parts, as) => ask('session.saveWorkspace', { parts, as }),
  saveState: () => ask('session.saveState'),
  stateProgress: () => ask('session.progress'),
  cancelState: () => ask('session.cancel'),
  recentFiles: () => ask('session.recent'),
  forgetRecent: (recent) => ask('session.forget', { recent }),
  keepSession: (parts, hasUnsaved) => ask('session.keep', { parts, hasUnsaved }),
  openStartupFile: () => ask('session.startup', {}),
  recoverSession: (choice) => ask('session.recover', { choice }),
  openTrace: () => ask('trace.open'),
  copyText: (text) => ask('clipboard.write', { text }),
  theme: () => ask('theme.read'),
  setTheme: (choice) => ask('theme.set', { choice }),
  setMenu: (menus) => ask('menu.set', { menus }),
  saveExport: (request) => ask('export.save', request),
  startCost: (mmu) => ask('cost.start', { mmu }),
  costState: () => ask('cost.read'),
  cancelCost: () => ask('cost.cancel'),
  onMenu: (listener) => listen(CHANNEL.menu, listener),
};

contextBridge.exposeInMainWorld('umbra', desktop);
