import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';

const LOOK_MS = 100;

/**
 * The time of the last change below some files and folders. Folders count too: a deleted file leaves no other trace.
 * @param {readonly string[]} roots
 * @returns {number} milliseconds; 0 if none of them exists
 */
export function newestChange(roots) {
  let newest = 0;
  const visit = (/** @type {string} */ where) => {
    const status = statSync(where, { throwIfNoEntry: false });
    if (!status) return;
    newest = Math.max(newest, status.mtimeMs);
    if (status.isDirectory()) for (const name of readdirSync(where)) visit(path.join(where, name));
  };
  roots.forEach(visit);
  return newest;
}

/**
 * Builds what is older than its sources. The stamp holds the moment at which the build began, so that a file saved
 * while it ran makes the next call build again. One process builds; whoever else finds the product stale meanwhile waits
 * for it, as tests in several processes do, and is not served a folder that is just being replaced.
 * @param {{ stamp: string, lock: string, sources: readonly string[], build: () => Promise<void> }} product
 * @returns {Promise<boolean>} whether it had to be built
 */
export async function buildIfStale({ stamp, lock, sources, build }) {
  const isFresh = () => newestChange(sources) < readStamp(stamp);
  if (isFresh()) return false;
  return await holding(lock, async () => {
    if (isFresh()) return false;
    const began = Date.now();
    await build();
    mkdirSync(path.dirname(stamp), { recursive: true });
    writeFileSync(stamp, String(began));
    return true;
  });
}

/**
 * @template T
 * @param {string} lock a file with the number of the process that has it; one that is no more has it no more
 * @param {() => Promise<T>} work
 */
async function holding(lock, work) {
  mkdirSync(path.dirname(lock), { recursive: true });
  while (!take(lock)) await setTimeout(LOOK_MS);
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** @param {string} lock */
function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
  }
  if (!isAlive(readStamp(lock))) rmSync(lock, { force: true });
  return false;
}

/** @param {number} pid 0: it is just being written */
function isAlive(pid) {
  try {
    return pid === 0 || process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** @param {string} stamp */
function readStamp(stamp) {
  try {
    return Number(readFileSync(stamp, 'utf8'));
  } catch {
    return 0;
  }
}
