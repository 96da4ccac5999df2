import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';

/**
 * Unpacks the chosen files of a zip with their permissions. yauzl itself refuses names that would leave the folder.
 * @param {string} zipFile
 * @param {string} folder
 * @param {(name: string) => string | undefined} choose  the path inside `folder` for an entry; undefined to leave it out
 */
export async function unzip(zipFile, folder, choose) {
  const zip = await openPromise(zipFile);
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith('/')) continue;
    const name = choose(entry.fileName);
    if (name === undefined) continue;
    const target = path.join(folder, name);
    await mkdir(path.dirname(target), { recursive: true });
    // The Unix mode is in the upper half of the external attributes (APPNOTE 4.4.15); setuid is not for us to hand out.
    const mode = (entry.externalFileAttributes >>> 16) & 0o777;
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target, { mode: mode || 0o644 }));
  }
  zip.close();
}
