/** Files that the user saves and opens: read up to a limit, written whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { err, ok, type Result } from '../../core/protocol/index.ts';
import type { SessionFileKind } from '../../core/protocol/desktop.ts';
import { fileProblem } from './guest-files.ts';

export const WORKSPACE_EXTENSION = 'umbra-workspace';
export const STATE_EXTENSION = 'umbra-machine';

export function kindOfFile(path: string): SessionFileKind {
  if (path.endsWith(`.${WORKSPACE_EXTENSION}`)) return 'workspace';
  return path.endsWith(`.${STATE_EXTENSION}`) ? 'state' : 'image';
}

/** @param what one of these, for the sentence that refuses a larger one: `a workspace` */
export async function readText(path: string, limit: number, what: string): Promise<Result<string, string>> {
  try {
    const handle = await open(path);
    try {
      const status = await handle.stat();
      if (!status.isFile()) return err(`${path} is no file.`);
      if (status.size > limit) return err(`${path} has ${status.size} bytes; ${what} has at most ${limit}.`);
      return ok(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  } catch (error) {
    return err(`${path} cannot be read: ${fileProblem(error)}.`);
  }
}

/**
 * Writes a file beside its place and moves it there when it is complete: whoever opens it finds the old one or the new one.
 * @returns why nothing was written
 */
export async function writeWhole(
  path: string,
  write: (handle: FileHandle) => Promise<string | undefined>,
): Promise<string | undefined> {
  const draft = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    let refused: string | undefined;
    try {
      refused = await write(handle);
      if (refused === undefined) await handle.sync();
    } finally {
      await handle.close();
    }
    if (refused === undefined) await rename(draft, path);
    else await rm(draft, { force: true });
    return refused;
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    return `${path} cannot be written: ${fileProblem(error)}.`;
  }
}

export const writeText = (path: string, text: string): Promise<string | undefined> =>
  writeWhole(path, async (handle) => {
    await handle.writeFile(text);
    return undefined;
  });
