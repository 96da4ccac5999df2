import { readFileSync } from 'node:fs';
import { runToEnd } from './child-process.mjs';
import { Complaint } from './complaint.mjs';
import { inProject, projectRoot } from '../project-root.mjs';

/**
 * @typedef {{ version?: string, optional?: boolean, link?: boolean }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} Lockfile
 */

/** Brings node_modules to what package-lock.json says, if it is not there already. */
export async function ensureNpmPackages() {
  const wanted = readLockfile(inProject('package-lock.json'));
  if (!wanted) throw new Complaint('package-lock.json cannot be read; is this a complete checkout?');
  if (isSatisfied(wanted, readLockfile(inProject('node_modules', '.package-lock.json')))) return;

  console.error('umbra: bringing the npm packages of package-lock.json (npm ci)');
  const [command, ...first] = npmCommand();
  const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--prefer-offline'];
  const { status } = await runToEnd(command, [...first, ...args, '--loglevel=error'], {
    cwd: projectRoot,
    output: 'to-stderr',
  });
  if (status !== 0) throw new Complaint(`npm ci failed with status ${status}; what it said is above.`);
}

/** The npm that started us, else the one of PATH. */
export function npmCommand() {
  const script = process.env['npm_execpath'];
  if (script && /npm-cli\.[cm]?js$/.test(script)) return [process.execPath, script];
  return [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

/**
 * npm writes its own lockfile into node_modules as the last step of an install, so an interrupted one does not count.
 * A package that is only for another platform is optional, and absent.
 * @param {Lockfile} wanted
 * @param {Lockfile | undefined} installed
 */
export function isSatisfied(wanted, installed) {
  if (!installed?.packages || !wanted.packages) return false;
  const have = installed.packages;
  return Object.entries(wanted.packages).every(
    ([where, { version, optional }]) =>
      where === '' || (have[where] ? have[where].version === version : optional === true),
  );
}

/**
 * @param {string} file
 * @returns {Lockfile | undefined}
 */
function readLockfile(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
