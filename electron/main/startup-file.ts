/** The file that the program was started with: an image makes the first machine, anything else is opened by the page when it is there. */
import type { ImageAnswer } from '../../core/protocol/desktop.ts';
import { DEMO_GUEST } from '../../core/protocol/desktop.ts';
import { readGuest, readImageFile } from './guest-files.ts';
import { kindOfFile } from './session-files.ts';

export class StartupFile {
  #image: string | undefined;
  /** A workspace or a machine state that has not been opened yet. */
  #other: string | undefined;

  /** @param file as the command line has it; undefined for the demo */
  constructor(file: string | undefined) {
    this.name(file);
  }

  /** The program was started once more, with another file. */
  name(file: string | undefined): void {
    const isImage = file === undefined || kindOfFile(file) === 'image';
    this.#image = isImage ? file : undefined;
    this.#other = isImage ? undefined : file;
  }

  readImage(): Promise<ImageAnswer> {
    return this.#image === undefined ? readGuest(DEMO_GUEST) : readImageFile(this.#image);
  }

  /** Once: a page that is read anew has the machine that it had. */
  take(): string | undefined {
    const file = this.#other;
    this.#other = undefined;
    return file;
  }
}
