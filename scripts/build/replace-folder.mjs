import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Makes a folder anew without anybody seeing a half of it: it is filled under another name and then takes the place
 * of the old one. Two builds at the same time both succeed; the later one stays.
 * @param {string} target
 * @param {(folder: string) => Promise<void>} fill
 */
export async function replaceFolder(target, fill) {
  const beside = (/** @type {string} */ what) =>
    path.join(path.dirname(target), `.${path.basename(target)}-${what}-${process.pid}`);
  const [fresh, old] = [beside('fresh'), beside('old')];
  await mkdir(fresh, { recursive: true });
  try {
    await fill(fresh);
    await takePlace(fresh, target, old);
  } finally {
    await rm(fresh, { recursive: true, force: true });
    await rm(old, { recursive: true, force: true });
  }
}

/**
 * @param {string} fresh
 * @param {string} target
 * @param {string} old
 */
async function takePlace(fresh, target, old) {
  for (let attempt = 1; ; attempt++) {
    await rm(old, { recursive: true, force: true });
    await rename(target, old).catch(unless('ENOENT'));
    // Fails if another build put its folder there in between.
    const failure = await rename(fresh, target).catch((/** @type {NodeJS.ErrnoException} */ error) => error);
    if (!failure) return;
    if (attempt === 10) throw failure;
  }
}

/** @param {string} code */
const unless = (code) => (/** @type {NodeJS.ErrnoException} */ error) => {
  if (error.code !== code) throw error;
};
