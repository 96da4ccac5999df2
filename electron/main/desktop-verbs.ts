/** The host's own verbs: images to load, and the clipboard. */
import { app, clipboard, dialog } from 'electron';
import type { BrowserWindow } from 'electron';
import type { DesktopParams, DesktopReplies, DesktopVerb, PresentMachine } from '../../core/protocol/desktop.ts';
import type { ApplicationMenu } from './application-menu.ts';
import { CostMeasurement } from '../host/cost-measurement.ts';
import { readTraceFile } from '../host/trace-file.ts';
import { saveExport } from './export-files.ts';
import { fileProblem, guestNames, readGuest, readImageFile } from './guest-files.ts';
import type { SessionVerbs } from './session-verbs.ts';
import type { StartupFile } from './startup-file.ts';
import type { WindowTheme } from './theme-choice.ts';

/** What the cost of memslot changes is measured under. */
const COST_GUEST = 'storm';

export type DesktopVerbs = {
  readonly [V in DesktopVerb]: (params: DesktopParams<V>) => Promise<DesktopReplies[V]>;
};

/**
 * @param startup what the user asked for when starting Umbra
 * @param presentMachine what the engine's machine was made from
 * @param window the one to show dialogs on
 */
export function desktopVerbs(
  startup: StartupFile,
  presentMachine: () => Promise<PresentMachine | undefined>,
  window: BrowserWindow,
  menu: ApplicationMenu,
  theme: WindowTheme,
  session: SessionVerbs,
): DesktopVerbs {
  const cost = new CostMeasurement(app.getVersion());
  return {
    ...session,
    'image.startup': () => startup.readImage(),
    'machine.present': presentMachine,
    async 'image.choose'() {
      const { filePaths } = await dialog.showOpenDialog(window, {
        title: 'Open a guest image',
        properties: ['openFile'],
        filters: [
          { name: 'Multiboot ELF or flat binary', extensions: ['elf', 'bin', 'img', 'kernel'] },
          { name: 'All files', extensions: ['*'] },
        ],
      });
      const [file] = filePaths;
      return file === undefined ? undefined : readImageFile(file);
    },
    'guest.list': guestNames,
    'guest.read': ({ name }) => readGuest(name),
    'export.save': (request) => saveExport(window, request),
    async 'cost.start'({ mmu }) {
      const storm = await readGuest(COST_GUEST);
      return storm.ok ? cost.start(storm.value.bytes, mmu) : cost.refuse(storm.message, mmu);
    },
    'cost.read': async () => cost.state,
    'cost.cancel': () => cost.cancel(),
    async 'trace.open'() {
      const { filePaths } = await dialog.showOpenDialog(window, {
        title: 'Import an ftrace text',
        properties: ['openFile'],
        filters: [
          { name: 'Traces as text', extensions: ['txt', 'trace', 'log', 'ftrace'] },
          { name: 'All files', extensions: ['*'] },
        ],
      });
      const [file] = filePaths;
      return file === undefined ? undefined : readTraceFile(file, fileProblem);
    },
    async 'clipboard.write'({ text }) {
      clipboard.writeText(text);
    },
    'theme.read': async () => theme.choice,
    async 'theme.set'({ choice }) {
      theme.choose(choice);
    },
    async 'menu.set'({ menus }) {
      menu.show(menus);
    },
  };
}
