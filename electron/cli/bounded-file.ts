/** Files that the user names, read up to a limit: a device such as /dev/zero says that it is empty and has no end. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { CliFailure } from './exit-status.ts';

const MIB = 1024 * 1024;
const CHUNK = MIB;

/** A file that cannot be read, as a sentence; `code` is the errno where there is one. */
export class UnreadableFile extends CliFailure {
  override readonly name: string = 'UnreadableFile';
  readonly code: string | undefined;

  constructor(file: string, reason: string, code?: string) {
    super(`${file} cannot be read: ${reason}.`);
    this.code = code;
  }
}

/**
 * @param what one of these, for the sentence that refuses more than `limit` bytes: `an image`
 * @throws UnreadableFile
 */
export function readBounded(file: string, limit: number, what: string): Uint8Array<ArrayBuffer> {
  try {
    const fd = openSync(file, 'r');
    try {
      const { size } = fstatSync(fd);
      const bytes = size > limit ? undefined : readUpTo(fd, limit, size);
      if (bytes === undefined) throw new UnreadableFile(file, `${what} may have ${limit / MIB} MiB at most`);
      return bytes;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof UnreadableFile) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    throw new UnreadableFile(file, reasonOf(error, code), code);
  }
}

export const readBoundedText = (file: string, limit: number, what: string): string =>
  new TextDecoder().decode(readBounded(file, limit, what));

/** @returns undefined when there is more than `limit` */
function readUpTo(fd: number, limit: number, size: number): Uint8Array<ArrayBuffer> | undefined {
  // A pipe says that it has no bytes, and a file may grow: the size is only where to begin.
  let bytes = new Uint8Array(size > 0 ? size + 1 : CHUNK);
  let length = 0;
  for (;;) {
    const count = readSync(fd, bytes, length, bytes.length - length, null);
    if (count === 0) return bytes.slice(0, length);
    length += count;
    if (length > limit) return undefined;
    if (length === bytes.length) {
      const larger = new Uint8Array(Math.min(2 * length, limit + 1));
      larger.set(bytes);
      bytes = larger;
    }
  }
}

function reasonOf(error: unknown, code: string | undefined): string {
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'EISDIR') return 'it is a folder';
  return error instanceof Error ? error.message : String(error);
}
