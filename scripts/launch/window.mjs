import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ensureAppBundle } from '../build/app-bundle.mjs';
import { projectRoot } from '../project-root.mjs';
import { resolveRuntime, runtimeSwitches } from '../runtime/resolve-runtime.mjs';
import { Complaint } from '../setup/complaint.mjs';
import { ensureSystemLibraries } from '../setup/system-libraries.mjs';
import { invocationFolder } from './command-line.mjs';

/**
 * The arguments of `npm start` are those of the window: at most one image.
 * @param {readonly string[]} args
 * @returns {string | undefined} absolute path
 */
export function imageFromArguments(args) {
  const [image, ...more] = args;
  if (image === undefined) return undefined;
  if (image.startsWith('-') || more.length > 0) throw new Complaint('usage: npm start [-- IMAGE]');
  const file = path.resolve(invocationFolder() ?? process.cwd(), image);
  if (!existsSync(file)) throw new Complaint(`there is no file ${file}`);
  return file;
}

/**
 * Opens the window and stays until it is closed; its exit status becomes ours.
 * @param {import('../setup/display.mjs').Display} display
 * @param {string | undefined} image
 */
export async function openWindow(display, image) {
  await ensureSystemLibraries({ virtualDisplay: false });
  const runtime = await resolveRuntime();
  await ensureAppBundle();
  warnOfMissingSandbox();
  const args = [...runtimeSwitches(runtime, display), projectRoot, ...(image === undefined ? [] : [image])];
  const child = spawn(runtime.executable, args, { stdio: 'inherit' });
  // Ctrl-C reaches the window by itself, being of the same terminal; we wait for it to close.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => child.kill(signal));
  }
  process.exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/**
 * Ubuntu 24.04 and later keep user namespaces from programs they do not know, and Chromium's sandbox needs them. It dies
 * with a long message; this is what to do about it.
 */
function warnOfMissingSandbox() {
  if (process.platform !== 'linux' || process.getuid?.() === 0) return;
  try {
    const restriction = readFileSync('/proc/sys/kernel/apparmor_restrict_unprivileged_userns', 'utf8').trim();
    if (restriction !== '1') return;
  } catch {
    return;
  }
  console.error(
    'umbra: this system restricts user namespaces, which the sandbox of the window needs. If it does not open: ' +
      'sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0',
  );
}
