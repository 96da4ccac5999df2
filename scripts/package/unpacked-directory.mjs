import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'electron-builder';
import { inProject, projectRoot } from '../project-root.mjs';

const WARNING = `This directory was made with the fallback runtime, an Electron that is older than the one Umbra depends on.
It is for trying the package on this machine. Do not give it to anybody.
`;

/**
 * Packages what is in out/ with a runtime that is here already, so nothing is downloaded.
 * @param {import('../runtime/electron-folder.mjs').ElectronRuntime} runtime
 * @param {{ output?: string }} [options]  where to; dist/ if not given
 * @returns {Promise<string>} the folder that holds the unpacked directory
 */
export async function packageUnpacked(runtime, { output } = {}) {
  const isFallback = runtime.origin === 'fallback';
  const folder = output ?? inProject('dist', ...(isFallback ? ['local-test-only'] : []));
  await build({
    projectDir: projectRoot,
    dir: true,
    publish: 'never',
    config: {
      extends: inProject('electron-builder.yml'),
      directories: { output: folder },
      electronDist: runtime.folder,
      electronVersion: runtime.version,
      afterPack: ({ appOutDir }) => removeOtherApplications(appOutDir),
    },
  });
  if (isFallback) await writeFile(path.join(folder, 'NOT-FOR-SHIPPING.txt'), WARNING);
  return folder;
}

/**
 * A runtime's own application, and the loader of the fallback, have no business in the package.
 * @param {string} appOutDir
 */
async function removeOtherApplications(appOutDir) {
  const resources = path.join(appOutDir, 'resources');
  await rm(path.join(resources, 'default_app.asar'), { force: true });
  await rm(path.join(resources, 'app'), { recursive: true, force: true });
}
