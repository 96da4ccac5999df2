#!/usr/bin/env node
import './setup/node-version.mjs';

// `npm run -s umbra -- COMMAND…`: the command line, bundled when needed, in this same process, so that standard input,
// signals and the exit status are the guest's without anybody in between.

const { runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  await ensureNpmPackages();
  const { runUmbra } = await import('./launch/command-line.mjs');
  await runUmbra(process.argv.slice(2));
});
