import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

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
 * while it ran makes the next call build again.
 * @param {{ stamp: string, sources: readonly string[], build: () => Promise<void> }} product
 * @returns {Promise<boolean>} whether it had to be built
 */
export async function buildIfStale({ stamp, sources, build }) {
  if (newestChange(sources) < readStamp(stamp)) return false;
  const began = Date.now();
  await build();
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, String(began));
  return true;
}

/** @param {string} stamp */
function readStamp(stamp) {
  try {
    return Number(readFileSync(stamp, 'utf8'));
  } catch {
    return 0;
  }
}
