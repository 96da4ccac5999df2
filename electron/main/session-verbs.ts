/** Opening and saving: which files, by which dialogs, and what is remembered of them. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { dialog } from 'electron';
import type { BrowserWindow } from 'electron';
import type { OpenedFile, PresentMachine, SessionFileKind } from '../../core/protocol/desktop.ts';
import type { DesktopVerbs } from './desktop-verbs.ts';
import { readImageFile } from './guest-files.ts';
import type { KeptSession } from './kept-session.ts';
import type { RecentFiles } from './recent-files.ts';
import { kindOfFile, STATE_EXTENSION, WORKSPACE_EXTENSION, writeText } from './session-files.ts';
import type { StartupFile } from './startup-file.ts';
import type { StateFiles } from './state-file.ts';
import { openWorkspaceFile, workspaceFile } from './workspace-file.ts';

export type SessionVerbs = Pick<DesktopVerbs, Extract<keyof DesktopVerbs, `session.${string}`>>;

const NO_MACHINE = 'There is no machine yet whose workspace could be saved.';

export function sessionVerbs(
  presentMachine: () => Promise<PresentMachine | undefined>,
  states: StateFiles,
  recent: RecentFiles,
  kept: KeptSession,
  startup: StartupFile,
  window: BrowserWindow,
): SessionVerbs {
  /** Where the workspace was opened from or saved to. */
  let workspacePath: string | undefined;

  async function chooseFile(): Promise<string | undefined> {
    const { filePaths } = await dialog.showOpenDialog(window, {
      title: 'Open an image, a workspace or a machine state',
      properties: ['openFile'],
      filters: [
        { name: 'All files', extensions: ['*'] },
        { name: 'Multiboot ELF or flat binary', extensions: ['elf', 'bin', 'img', 'kernel'] },
        { name: 'Workspaces of Umbra', extensions: [WORKSPACE_EXTENSION] },
        { name: 'Machine states of Umbra', extensions: [STATE_EXTENSION] },
      ],
    });
    return filePaths[0];
  }

  async function chooseTarget(title: string, extension: string, before: string | undefined) {
    const { filePath } = await dialog.showSaveDialog(window, {
      title,
      defaultPath: before ?? `machine.${extension}`,
      filters: [{ name: title, extensions: [extension] }],
    });
    if (filePath === '') return undefined;
    if (path.extname(filePath) === `.${extension}`) return filePath;
    // The name that the user was asked about was another one.
    const target = `${filePath}.${extension}`;
    return !existsSync(target) || (await mayReplace(target)) ? target : undefined;
  }

  async function mayReplace(target: string): Promise<boolean> {
    const { response } = await dialog.showMessageBox(window, {
      type: 'question',
      message: `${path.basename(target)} is there already. Replace it?`,
      detail: target,
      buttons: ['Replace', 'Cancel'],
      defaultId: 1,
      cancelId: 1,
    });
    return response === 0;
  }

  async function openFile(file: string, kind: SessionFileKind): Promise<OpenedFile> {
    const opened = kind === 'image' ? await openImage(file) : await openOther(file, kind);
    if (opened.kind !== 'refused') await recent.add(kind, file);
    if (opened.kind === 'workspace') workspacePath = file;
    else if (opened.kind !== 'refused') workspacePath = undefined;
    return opened;
  }

  const openOther = (file: string, kind: 'workspace' | 'state'): Promise<OpenedFile> =>
    kind === 'workspace' ? openWorkspaceFile(file) : states.open(file);

  return {
    async 'session.open'({ recent: index }) {
      if (index === undefined) {
        const file = await chooseFile();
        return file === undefined ? undefined : openFile(file, kindOfFile(file));
      }
      const entry = recent.at(index);
      return entry === undefined ? undefined : openFile(entry.path, entry.kind);
    },
    async 'session.saveWorkspace'({ parts, as }) {
      const present = await presentMachine();
      if (present === undefined) return { ok: false, message: NO_MACHINE };
      const target =
        !as && workspacePath !== undefined
          ? workspacePath
          : await chooseTarget('Save the workspace', WORKSPACE_EXTENSION, workspacePath);
      if (target === undefined) return undefined;
      const refused = await writeText(target, workspaceFile(present, parts));
      if (refused !== undefined) return { ok: false, message: refused };
      workspacePath = target;
      kept.noteSaved();
      await recent.add('workspace', target);
      return { ok: true, path: target };
    },
    async 'session.saveState'() {
      const target = await chooseTarget('Save the machine state', STATE_EXTENSION, undefined);
      if (target === undefined) return undefined;
      const saved = await states.save(target);
      if (saved.ok) await recent.add('state', target);
      return saved;
    },
    'session.progress': async () => states.progress,
    async 'session.cancel'() {
      states.cancel();
    },
    'session.recent': async () => recent.list(),
    async 'session.forget'({ recent: index }) {
      await recent.forget(index);
      return recent.list();
    },
    async 'session.keep'({ parts, hasUnsaved }) {
      const present = await presentMachine();
      if (present !== undefined) await kept.keep(workspaceFile(present, parts), hasUnsaved);
    },
    async 'session.startup'() {
      const file = startup.take();
      return file === undefined ? undefined : openFile(file, kindOfFile(file));
    },
    async 'session.recover'({ choice }) {
      if (choice === 'ask') return kept.ask();
      const opened = choice === 'open' ? await kept.open() : undefined;
      await kept.discard();
      return opened;
    },
  };
}

async function openImage(file: string): Promise<OpenedFile> {
  const read = await readImageFile(file);
  return read.ok ? { kind: 'image', image: read.value } : { kind: 'refused', message: read.message };
}
