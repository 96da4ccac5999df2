/** Where the window is measured: a runtime, a fresh build, a display, a profile of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ensureAppBundle } from '../build/app-bundle.mjs';
import { resolveRuntime, runtimeSwitches } from '../runtime/resolve-runtime.mjs';
import { findDisplay } from '../setup/display.mjs';
import { ensureSystemLibraries } from '../setup/system-libraries.mjs';
import { openVirtualDisplay } from '../setup/virtual-display.mjs';

/**
 * @typedef {object} MeasuringPlace
 * @property {import('../runtime/electron-folder.mjs').ElectronRuntime} runtime
 * @property {string[]} switches
 * @property {NodeJS.ProcessEnv} env
 * @property {string} display  what it was measured on, in words
 * @property {() => Promise<void>} close
 */

/** @returns {Promise<MeasuringPlace>} */
export async function openMeasuringPlace() {
  const display = await findDisplay();
  await ensureSystemLibraries({ virtualDisplay: !display.present });
  const runtime = await resolveRuntime();
  await ensureAppBundle();
  const virtual = display.present ? undefined : await openVirtualDisplay({ width: 1600, height: 1000 });
  // A profile of its own, or an open window of the user would answer instead.
  const userData = await mkdtemp(path.join(os.tmpdir(), 'umbra-measure-'));
  return {
    runtime,
    switches: [...runtimeSwitches(runtime, display), `--user-data-dir=${userData}`],
    env: virtual ? { ...process.env, DISPLAY: virtual.name } : process.env,
    display: virtual ? 'Xvfb, drawn by software' : 'the user’s display',
    async close() {
      virtual?.close();
      await rm(userData, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
