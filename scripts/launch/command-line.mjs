import { pathToFileURL } from 'node:url';
import { ensureCliBundle } from '../build/cli-bundle.mjs';
import { inProject } from '../project-root.mjs';

const OUR_NPM_SCRIPTS = new Set(['umbra', 'conformance', 'bench', 'start']);

/**
 * Runs the command line in this process.
 * @param {readonly string[]} args
 */
export async function runUmbra(args) {
  const bundle = await ensureCliBundle();
  const typedIn = invocationFolder();
  if (typedIn !== undefined) process.chdir(typedIn);
  process.setSourceMapsEnabled(true);
  process.argv = [process.argv[0], 'umbra', ...args];
  // The `window` benchmark needs the scripts of a checkout to find an Electron.
  process.env['UMBRA_MEASURE_WINDOW'] = inProject('scripts', 'measure-window.mjs');
  await import(pathToFileURL(bundle).href);
}

/** npm goes to the project's folder first; file names are meant from where the user typed the command. */
export function invocationFolder(env = process.env) {
  return OUR_NPM_SCRIPTS.has(env['npm_lifecycle_event'] ?? '') ? env['INIT_CWD'] : undefined;
}
