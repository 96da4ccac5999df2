#!/usr/bin/env node
import './setup/node-version.mjs';

// `npm run build`: everything in out/ that is older than its sources.

const { runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  await ensureNpmPackages();
  const { ensureAppBundle } = await import('./build/app-bundle.mjs');
  const { ensureCliBundle } = await import('./build/cli-bundle.mjs');
  const isNew = await ensureAppBundle();
  await ensureCliBundle();
  console.log(isNew ? 'built: out/main, out/preload, out/renderer, out/cli' : 'out/ is newer than all sources');
});
