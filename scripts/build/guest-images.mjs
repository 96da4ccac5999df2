import { cp } from 'node:fs/promises';
import { inProject } from '../project-root.mjs';
import { replaceFolder } from './replace-folder.mjs';

/** The guests that come with the program lie beside the bundles: `../guests` from an entry, as in the source tree. */
export async function copyGuestImages() {
  await replaceFolder(inProject('out', 'guests'), (folder) =>
    cp(inProject('electron', 'guests'), folder, { recursive: true }),
  );
}
