/** Images for the command line: a guest that comes with the program, by name, or a file. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { foreignImage } from '../../core/protocol/foreign-image.ts';
import { MAX_IMAGE_BYTES } from '../../core/protocol/requests.ts';
import { readBounded, UnreadableFile } from './bounded-file.ts';
import { CliFailure } from './exit-status.ts';

/** Beside the folder of this module in the bundle as in the source tree. */
const GUESTS = new URL('../guests/', import.meta.url);
const EXTENSION = '.elf';

export interface ImageFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Names of the guests that come with the program. */
export function guestNames(): readonly string[] {
  try {
    return readdirSync(GUESTS)
      .filter((file) => path.extname(file) === EXTENSION)
      .map((file) => path.basename(file, EXTENSION))
      .toSorted();
  } catch {
    return [];
  }
}

/** A word that is the name of a guest means that guest; write ./NAME for a file of the same name. */
export function readImage(word: string): ImageFile {
  if (guestNames().includes(word)) {
    return { name: word, bytes: new Uint8Array(readFileSync(new URL(`${word}${EXTENSION}`, GUESTS))) };
  }
  try {
    const bytes = readBounded(word, MAX_IMAGE_BYTES, 'an image');
    const what = foreignImage(bytes);
    if (what !== undefined) throw new CliFailure(`${word} is no image but ${what}.`);
    return { name: word, bytes };
  } catch (error) {
    if (!(error instanceof UnreadableFile) || error.code !== 'ENOENT') throw error;
    const names = guestNames().join(', ');
    throw new CliFailure(`${word} cannot be read: there is no such file, and no such guest (there are ${names}).`);
  }
}
