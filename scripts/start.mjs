#!/usr/bin/env node
import './setup/node-version.mjs';

// `npm start [-- IMAGE]`: brings what is missing, builds what is stale, and opens the window; without a display, runs the
// same demo session on the command line.

const { runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  const { findDisplay } = await import('./setup/display.mjs');
  const { imageFromArguments, openWindow } = await import('./launch/window.mjs');

  const image = imageFromArguments(process.argv.slice(2));
  await ensureNpmPackages();
  const display = await findDisplay();
  if (display.present) {
    await openWindow(display, image);
  } else {
    const { runUmbra } = await import('./launch/command-line.mjs');
    const what = image === undefined ? 'the demo session' : image;
    console.error(`umbra: no display (${display.reason}), so no window; running ${what} headless.`);
    await runUmbra(image === undefined ? ['demo'] : ['run', image]);
  }
});
