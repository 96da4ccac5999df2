/** Images on disk: those the user has, and those that come with the program. */
import { open, readFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import { foreignImage } from '../../core/protocol/foreign-image.ts';
import type { ImageAnswer } from '../../core/protocol/desktop.ts';
import { MAX_IMAGE_BYTES } from '../../core/protocol/requests.ts';

const EXTENSION = '.elf';

/** Beside the folder of this module in the bundle as in the source tree. */
const GUESTS = new URL('../guests/', import.meta.url);

/** Reads a file that the user named, with a sentence for whatever is wrong with it. */
export async function readImageFile(file: string): Promise<ImageAnswer> {
  try {
    const handle = await open(file);
    try {
      const status = await handle.stat();
      const { size } = status;
      // A pipe or device may have no end, and nobody could cancel the reading of it.
      if (!status.isFile() && !status.isDirectory()) {
        return { ok: false, message: `${file} cannot be read: it is no file but a device or pipe.` };
      }
      if (size > MAX_IMAGE_BYTES) {
        const megabytes = MAX_IMAGE_BYTES / 1024 / 1024;
        return { ok: false, message: `${file} has ${size} bytes; an image may have ${megabytes} MiB at most.` };
      }
      const bytes = new Uint8Array(await handle.readFile());
      const what = foreignImage(bytes);
      if (what !== undefined) return { ok: false, message: `${file} is no image but ${what}.` };
      return { ok: true, value: { name: file, bytes } };
    } finally {
      await handle.close();
    }
  } catch (error) {
    return { ok: false, message: `${file} cannot be read: ${fileProblem(error)}.` };
  }
}

export async function guestNames(): Promise<readonly string[]> {
  const files = await readdir(GUESTS);
  return files
    .filter((file) => path.extname(file) === EXTENSION)
    .map((file) => path.basename(file, EXTENSION))
    .toSorted();
}

/** Reads a guest of the program. The name is looked up in the list, never made into a path as it comes. */
export async function readGuest(name: string): Promise<ImageAnswer> {
  const names = await guestNames();
  if (!names.includes(name)) {
    return { ok: false, message: `there is no guest called ${name}; there are ${names.join(', ')}.` };
  }
  const bytes = new Uint8Array(await readFile(new URL(`${name}${EXTENSION}`, GUESTS)));
  return { ok: true, value: { name, bytes } };
}

const FILE_PROBLEMS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'the system does not permit it'],
  ['EISDIR', 'it is a folder'],
  ['ENOTDIR', 'a part of its path is no folder'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'there is no room left for this user'],
  ['EROFS', 'it is on a file system that can only be read'],
  ['ENAMETOOLONG', 'its name is too long'],
  ['ELOOP', 'its links go round in a circle'],
  ['EIO', 'the disk reports an error'],
]);

/** Why a file could not be used, as the end of a sentence. */
export function fileProblem(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  return FILE_PROBLEMS.get(code) ?? error.message;
}
