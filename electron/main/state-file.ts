/** Machine states on disk: pumped between the engine and a file in bounded pieces, so that nobody holds a whole one. */
import { open } from 'node:fs/promises';
import type { OpenedFile, SavedFile } from '../../core/protocol/desktop.ts';
import { MAX_STATE_PIECE } from '../../core/protocol/requests.ts';
import type { StateProgress } from '../../core/protocol/snapshots.ts';
import type { EngineLink } from './engine-link.ts';
import { fileProblem } from './guest-files.ts';
import { writeWhole } from './session-files.ts';

export class StateFiles {
  readonly #engine: EngineLink;
  #isCancelled = false;
  /** Undefined while nothing is saved or opened. */
  progress: StateProgress | undefined;

  constructor(engine: EngineLink) {
    this.#engine = engine;
  }

  cancel(): void {
    this.#isCancelled = true;
  }

  async save(path: string): Promise<SavedFile> {
    const refused = await this.#whileBusy(() =>
      writeWhole(path, async (handle) => {
        const begun = await this.#engine.request('state.saveBegin', {});
        if (!begun.ok) return `${path} is not written: ${begun.error.message}`;
        this.progress = begun.value;
        for (;;) {
          const piece = await this.#engine.request('state.saveNext', {});
          if (!piece.ok) return `${path} is not written: ${piece.error.message}`;
          this.progress = piece.value;
          const { bytes } = piece.value;
          if (bytes === undefined) return undefined;
          await handle.write(bytes);
          if (this.#isCancelled) return await this.#giveUp('Saving was given up; nothing was written.');
        }
      }),
    );
    return refused === undefined ? { ok: true, path } : { ok: false, message: refused };
  }

  async open(path: string): Promise<OpenedFile> {
    return this.#whileBusy(async (): Promise<OpenedFile> => {
      try {
        const handle = await open(path);
        try {
          const status = await handle.stat();
          if (!status.isFile()) return { kind: 'refused', message: `${path} is no file.` };
          return await this.#pump(path, (buffer) => handle.read(buffer, 0, buffer.length));
        } finally {
          await handle.close();
        }
      } catch (error) {
        await this.#engine.request('state.cancel', {});
        return { kind: 'refused', message: `${path} cannot be read: ${fileProblem(error)}.` };
      }
    });
  }

  async #pump(
    path: string,
    read: (buffer: Uint8Array) => Promise<{ readonly bytesRead: number }>,
  ): Promise<OpenedFile> {
    const refused = (message: string): OpenedFile => ({ kind: 'refused', message: `${path}: ${message}` });
    const begun = await this.#engine.request('state.openBegin', {});
    if (!begun.ok) return refused(begun.error.message);
    for (;;) {
      const buffer = new Uint8Array(MAX_STATE_PIECE);
      const { bytesRead } = await read(buffer);
      if (bytesRead === 0) break;
      const taken = await this.#engine.request('state.openNext', { bytes: buffer.subarray(0, bytesRead).slice() });
      if (!taken.ok) return refused(taken.error.message);
      this.progress = taken.value;
      if (this.#isCancelled) return refused(await this.#giveUp('opening was given up.'));
    }
    const opened = await this.#engine.request('state.openEnd', {});
    if (!opened.ok) return refused(opened.error.message);
    return { kind: 'state', path, opened: opened.value };
  }

  async #giveUp(why: string): Promise<string> {
    await this.#engine.request('state.cancel', {});
    return why;
  }

  async #whileBusy<T>(work: () => Promise<T>): Promise<T> {
    this.#isCancelled = false;
    this.progress = { pagesDone: 0, pages: 0 };
    try {
      return await work();
    } finally {
      this.progress = undefined;
    }
  }
}
