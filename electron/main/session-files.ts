/** Files that the user saves and opens: read up to a limit, written whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { err, ok, type Result } from '../../core/protocol/index.ts';
import type { SessionFileKind } from '../../core/protocol/desktop.ts';
import { fileProblem } from './guest-files.ts';

export const WORKSPACE_EXTENSION = 'umbra-workspace';
export const STATE_EXTENSION = 'umbra-machine';

export function kindOfFile(file: string): SessionFileKind {
  if (file.endsWith(`.${WORKSPACE_EXTENSION}`)) return 'workspace';
  return file.endsWith(`.${STATE_EXTENSION}`) ? 'state' : 'image';
}

/** @param what one of these, for the sentence that refuses a larger one: `a workspace` */
export async function readText(file: string, limit: number, what: string): Promise<Result<string, string>> {
  try {
    const handle = await open(file);
    try {
      const status = await handle.stat();
      if (!status.isFile()) return err(`${file} is no file.`);
      if (status.size > limit) return err(`${file} has ${status.size} bytes; ${what} has at most ${limit}.`);
      return ok(await handle.readFile('utf8'));
    } finally {
      await handle.close();
    }
  } catch (error) {
    return err(`${file} cannot be read: ${fileProblem(error)}.`);
  }
}

const DRAFT_DIGITS = 12;
/** Nobody writes as long as this: what is older was left by a program that was killed. */
const DRAFT_AGE = 60 * 60 * 1000;

/**
 * Writes a file beside its place and moves it there when it is complete: whoever opens it finds the old one or the new one. It
 * may be read by whom the old one could be read by; a link goes on pointing to it.
 * @returns why nothing was written
 */
export async function writeWhole(
  named: string,
  write: (handle: FileHandle) => Promise<string | undefined>,
): Promise<string | undefined> {
  const file = await realpath(named).catch(() => named);
  const draft = `${file}.${randomBytes(DRAFT_DIGITS / 2).toString('hex')}.part`;
  try {
    const before = await stat(file).catch(() => undefined);
    if (before?.isDirectory() === true) return `${named} cannot be written: it is a folder.`;
    const handle = await open(draft, 'wx');
    let refused: string | undefined;
    try {
      if (before !== undefined) await handle.chmod(before.mode & 0o777);
      refused = await write(handle);
      if (refused === undefined) await handle.sync();
    } finally {
      await handle.close();
    }
    if (refused === undefined) await rename(draft, file);
    else await rm(draft, { force: true });
    await removeOldDrafts(file).catch(() => undefined);
    return refused;
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    const hasFolder = await stat(path.dirname(file)).catch(() => undefined);
    return `${named} cannot be written: ${hasFolder ? fileProblem(error) : 'its folder is not there'}.`;
  }
}

/** Those of the same file, which nobody will ever finish. */
async function removeOldDrafts(file: string): Promise<void> {
  const folder = path.dirname(file);
  const begins = `${path.basename(file)}.`;
  const digits = new RegExp(`^[0-9a-f]{${DRAFT_DIGITS}}\\.part$`);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(begins) || !digits.test(name.slice(begins.length))) continue;
    const draft = path.join(folder, name);
    if (Date.now() - (await stat(draft)).mtimeMs > DRAFT_AGE) await rm(draft, { force: true });
  }
}

export const writeText = (file: string, text: string): Promise<string | undefined> =>
  writeWhole(file, async (handle) => {
    await handle.writeFile(text);
    return undefined;
  });
