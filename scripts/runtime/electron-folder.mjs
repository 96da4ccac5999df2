import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * An unpacked Electron.
 * @typedef {object} ElectronRuntime
 * @property {string} folder      what electron-builder calls `electronDist`
 * @property {string} executable
 * @property {string} version
 * @property {'override' | 'package' | 'fallback'} origin
 */

/** The application of the prepared fallback (scripts/runtime/fallback-loader); a stock Electron has another. */
const FALLBACK_LOADER = 'load-application.mjs';

/** Where the executable lies inside an unpacked Electron. */
export function executableName(platform = process.platform) {
  if (platform === 'darwin') return 'Electron.app/Contents/MacOS/Electron';
  return platform === 'win32' ? 'electron.exe' : 'electron';
}

/**
 * @param {string} folder
 * @param {ElectronRuntime['origin']} origin
 * @returns {ElectronRuntime | undefined}
 */
export function openElectronFolder(folder, origin) {
  const executable = path.join(folder, executableName());
  if (!existsSync(executable)) return undefined;
  // Whoever points at the prepared fallback gets the fallback, with all that may not be done with it.
  const isFallback = existsSync(path.join(folder, 'resources', 'app', FALLBACK_LOADER));
  return { folder, executable, version: readVersion(folder), origin: isFallback ? 'fallback' : origin };
}

/** @param {string} folder */
function readVersion(folder) {
  try {
    return readFileSync(path.join(folder, 'version'), 'utf8').trim().replace(/^v/, '');
  } catch {
    return 'unknown';
  }
}
