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
  return { folder, executable, version: readVersion(folder), origin };
}

/** @param {string} folder */
function readVersion(folder) {
  try {
    return readFileSync(path.join(folder, 'version'), 'utf8').trim().replace(/^v/, '');
  } catch {
    return 'unknown';
  }
}
