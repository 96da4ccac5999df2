/**
 * The workspace as it is now, kept in the user's data folder and taken away when the program is closed as it should be. What
 * is found at a start was left by a program that was not; or by one that was closed with something in it that no file has.
 */
import { renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { OpenedFile, RecoverableSession } from '../../core/protocol/desktop.ts';
import { writeText } from './session-files.ts';
import { openWorkspaceFile } from './workspace-file.ts';

export class KeptSession {
  readonly #kept: string;
  readonly #left: string;
  readonly #unsaved: string;
  #isClosed = false;
  #hasUnsaved = false;
  /** The engine has crashed and nobody has started it again: closing the window then is no clean end. */
  engineCrashed = false;

  constructor(folder: string) {
    this.#kept = path.join(folder, 'session.umbra-workspace');
    this.#left = path.join(folder, 'recovered.umbra-workspace');
    this.#unsaved = path.join(folder, 'unsaved.umbra-workspace');
    try {
      renameSync(this.#kept, this.#left);
    } catch {
      // The last program was closed as it should be, or there was none.
    }
  }

  async keep(text: string, hasUnsaved: boolean): Promise<void> {
    if (this.#isClosed) return;
    this.#hasUnsaved = hasUnsaved;
    await writeText(this.#kept, text);
  }

  /** A file has all of it: who closes the window at once, before the page says so, leaves nothing behind. */
  noteSaved(): void {
    this.#hasUnsaved = false;
  }

  /** The program ends because somebody closed it. */
  close(): void {
    this.#isClosed = true;
    if (this.engineCrashed) return;
    try {
      if (this.#hasUnsaved) renameSync(this.#kept, this.#unsaved);
      else rmSync(this.#kept, { force: true });
    } catch {
      // Nothing was kept yet.
    }
  }

  async ask(): Promise<RecoverableSession | undefined> {
    const [file, opened] = await this.#found();
    if (file === undefined || opened?.kind !== 'workspace') return undefined;
    return {
      kind: 'recoverable',
      why: file === this.#left ? 'crash' : 'unsaved',
      image: opened.workspace.image.name,
      keptAt: statSync(file).mtimeMs,
    };
  }

  async open(): Promise<OpenedFile | undefined> {
    const [, opened] = await this.#found();
    return opened;
  }

  /** The one that was offered goes. */
  async discard(): Promise<void> {
    const [file] = await this.#found();
    if (file !== undefined) rmSync(file, { force: true });
  }

  /** What a crash has left comes first. */
  async #found(): Promise<readonly [file?: string, opened?: OpenedFile]> {
    for (const file of [this.#left, this.#unsaved]) {
      const opened = await openWorkspaceFile(file);
      if (opened.kind === 'workspace') return [file, opened];
    }
    return [];
  }
}
