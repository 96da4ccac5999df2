import { fileURLToPath } from 'node:url';
import { runToEnd } from '../setup/child-process.mjs';
import { Complaint } from '../setup/complaint.mjs';
import { inProject } from '../project-root.mjs';
import { buildIfStale } from './freshness.mjs';

const SOURCES = ['core', 'electron/host', 'electron/cli', 'electron/guests', 'scripts/build', 'package-lock.json'];

/** The command line, bundled if its sources are newer than the bundle. */
export async function ensureCliBundle() {
  await buildIfStale({
    stamp: inProject('out', 'cli', '.built'),
    lock: inProject('out', '.cli-building'),
    sources: SOURCES.map((source) => inProject(source)),
    // In a process of its own: the bundler's threads and memory would outlive it in the one that runs the guest.
    async build() {
      const bundler = fileURLToPath(new URL('bundle-cli.mjs', import.meta.url));
      const { status } = await runToEnd(process.execPath, [bundler], { output: 'to-stderr' });
      if (status !== 0) throw new Complaint('the command line could not be bundled; why is above.');
    },
  });
  return inProject('out', 'cli', 'index.js');
}
