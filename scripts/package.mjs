#!/usr/bin/env node
import './setup/node-version.mjs';

// `npm run package`: an unpacked, runnable directory in dist/.

const { Complaint, runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  if (process.argv.length > 2) throw new Complaint('usage: npm run package');
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  await ensureNpmPackages();
  const { resolveRuntime } = await import('./runtime/resolve-runtime.mjs');
  const { ensureAppBundle } = await import('./build/app-bundle.mjs');
  const runtime = await resolveRuntime();
  await ensureAppBundle();
  const { packageUnpacked } = await import('./package/unpacked-directory.mjs');
  const folder = await packageUnpacked(runtime);
  console.log(`packaged in ${folder}`);
  if (runtime.origin === 'fallback') {
    console.log('It holds the fallback runtime: for a test on this machine only, not to be given to anybody.');
  }
});
