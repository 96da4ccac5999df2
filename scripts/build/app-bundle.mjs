import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../setup/child-process.mjs';
import { Complaint } from '../setup/complaint.mjs';
import { inProject } from '../project-root.mjs';
import { buildIfStale } from './freshness.mjs';

const SOURCES = ['core', 'electron', 'renderer', 'scripts/build', 'electron.vite.config.ts', 'package-lock.json'];
const STAMP = inProject('out', '.app-built');
const LOCK = inProject('out', '.app-building');

/**
 * The window's bundles, built if their sources are newer.
 * @returns {Promise<boolean>} whether they had to be built
 */
export function ensureAppBundle() {
  return buildIfStale({
    stamp: STAMP,
    lock: LOCK,
    sources: SOURCES.map((source) => inProject(source)),
    build: bundleApp,
  });
}

/** For a development server, which puts its own bundles into the same place. */
export function forgetAppBundle() {
  rmSync(STAMP, { force: true });
}

// In a process of its own: a bundler takes its memory with it when it is done.
async function bundleApp() {
  const bundler = fileURLToPath(new URL('bundle-app.mjs', import.meta.url));
  const { status } = await runToEnd(process.execPath, [bundler], { output: 'to-stderr' });
  if (status !== 0) throw new Complaint('the window could not be built; why is above.');
}
