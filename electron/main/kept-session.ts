/**
 * The workspace as it is now, kept in the user's data folder and taken away when the program is closed as it should be. What
 * is found at a start was left by a program that was not.
 */
import { renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { OpenedFile, RecoverableSession } from '../../core/protocol/desktop.ts';
import { writeText } from './session-files.ts';
import { openWorkspaceFile } from './workspace-file.ts';

export class KeptSession {
  readonly #kept: string;
  readonly #left: string;
  #isClosed = false;
  /** The engine has crashed and nobody has started it again: closing the window then is no clean end. */
  engineCrashed = false;

  constructor(folder: string) {
    this.#kept = path.join(folder, 'session.umbra-workspace');
    this.#left = path.join(folder, 'recovered.umbra-workspace');
    try {
      renameSync(this.#kept, this.#left);
    } catch {
      // The last program was closed as it should be, or there was none.
    }
  }

  async keep(text: string): Promise<void> {
    if (!this.#isClosed) await writeText(this.#kept, text);
  }

  /** The program ends because somebody closed it. */
  close(): void {
    this.#isClosed = true;
    if (!this.engineCrashed) rmSync(this.#kept, { force: true });
  }

  async ask(): Promise<RecoverableSession | undefined> {
    const opened = await this.open();
    if (opened?.kind !== 'workspace') return undefined;
    return {
      kind: 'recoverable',
      image: opened.workspace.image.name,
      keptAt: statSync(this.#left).mtimeMs,
    };
  }

  async open(): Promise<OpenedFile | undefined> {
    const opened = await openWorkspaceFile(this.#left);
    return opened.kind === 'workspace' ? opened : undefined;
  }

  discard(): void {
    rmSync(this.#left, { force: true });
  }
}
