#!/usr/bin/env node
import './setup/node-version.mjs';

// `npm run dev [-- IMAGE]`: the window with the development server behind it. A change of the page is shown at once, a
// change of main, preload or core starts Electron again.

const { Complaint, runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  await ensureNpmPackages();
  const { findDisplay } = await import('./setup/display.mjs');
  const { imageFromArguments } = await import('./launch/window.mjs');
  const { resolveRuntime, runtimeSwitches } = await import('./runtime/resolve-runtime.mjs');
  const { ensureSystemLibraries } = await import('./setup/system-libraries.mjs');
  const { forgetAppBundle } = await import('./build/app-bundle.mjs');
  const { runToEnd } = await import('./setup/child-process.mjs');
  const { inProject, projectRoot } = await import('./project-root.mjs');

  const image = imageFromArguments(process.argv.slice(2));
  const display = await findDisplay();
  if (!display.present) throw new Complaint(`no display (${display.reason}); npm run dev needs one.`);
  await ensureSystemLibraries({ virtualDisplay: false });
  const runtime = await resolveRuntime();
  forgetAppBundle();
  const vite = inProject('node_modules', 'electron-vite', 'bin', 'electron-vite.js');
  // What follows `--` goes to Electron, behind the application's folder; Chromium finds its switches there too.
  const forElectron = [...runtimeSwitches(runtime, display), ...(image === undefined ? [] : [image])];
  const { status } = await runToEnd(process.execPath, [vite, 'dev', '--watch', '--', ...forElectron], {
    cwd: projectRoot,
    output: 'inherit',
    env: { ...process.env, ELECTRON_EXEC_PATH: runtime.executable },
  });
  process.exitCode = status;
});
