import { readFileSync } from 'node:fs';
import { runToEnd } from './child-process.mjs';
import { Complaint } from './complaint.mjs';

// What an Electron window needs of a Debian or Ubuntu that has no desktop. Since the change to 64-bit time_t
// (Debian 13, Ubuntu 24.04) some carry another name there.
const WINDOW = [
  ['libgtk-3-0', 'libgtk-3-0t64'],
  ['libnss3'],
  ['libgbm1'],
  ['libasound2', 'libasound2t64'],
  ['libxss1'],
  ['libatk-bridge2.0-0', 'libatk-bridge2.0-0t64'],
];
const VIRTUAL_DISPLAY = [['xvfb'], ['xauth']];

/**
 * Brings the shared libraries of an Electron window, and a virtual display if asked. Elsewhere than on a Debian-like
 * Linux there is nothing to do here: the dynamic linker will say what is missing.
 * @param {{ virtualDisplay: boolean }} options
 */
export async function ensureSystemLibraries({ virtualDisplay }) {
  if (process.platform !== 'linux') return;
  const missing = await missingPackages(virtualDisplay ? [...WINDOW, ...VIRTUAL_DISPLAY] : WINDOW);
  if (missing.length === 0) return;

  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    const names = await namesHere(missing);
    throw new Complaint(
      `system libraries are missing, and only root may install them. Run this, then try again:\n\n` +
        `  sudo apt-get install -y ${names.join(' ')}\n`,
    );
  }
  console.error('umbra: bringing system libraries (apt-get)');
  // A fresh container has no package lists, and old ones point at files which are gone.
  await aptGet(['update']);
  await aptGet(['install', '-y', '--no-install-recommends', ...(await namesHere(missing))]);
}

/** @param {readonly string[]} args */
async function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stdout, stderr } = await runToEnd('apt-get', ['-q', ...args], { env });
  if (status !== 0) throw new Complaint(`apt-get ${args.join(' ')} failed:\n${stdout}${stderr}`);
}

/**
 * @param {readonly string[][]} wanted  each with the names it may have
 * @returns {Promise<string[][]>} those of which no name is installed; none where there is no dpkg
 */
async function missingPackages(wanted) {
  const query = await runToEnd('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n', ...wanted.flat()]).catch(
    () => undefined,
  );
  if (!query) return [];
  const installed = new Set(
    query.stdout
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, status]) => status === 'installed')
      .map(([name]) => name),
  );
  return wanted.filter((names) => !names.some((name) => installed.has(name)));
}

/** @param {readonly string[][]} wanted */
async function namesHere(wanted) {
  const known = new Set(
    (await runToEnd('apt-cache', ['pkgnames', 'lib'])).stdout.split('\n').filter((name) => name.endsWith('t64')),
  );
  const isT64 = known.size > 0 ? known.has('libgtk-3-0t64') : isT64Release(readOsRelease());
  return wanted.map((names) => (isT64 ? (names.at(-1) ?? '') : names[0]));
}

/**
 * For a machine whose package lists are empty.
 * @param {string} osRelease  the text of /etc/os-release
 */
export function isT64Release(osRelease) {
  const field = (/** @type {string} */ name) =>
    new RegExp(`^${name}=(.*)$`, 'm').exec(osRelease)?.[1]?.replaceAll('"', '') ?? '';
  const version = Number.parseFloat(field('VERSION_ID'));
  if (field('ID') === 'ubuntu') return version >= 24.04;
  // Testing and unstable have no VERSION_ID.
  if (field('ID') === 'debian') return Number.isNaN(version) || version >= 13;
  return false;
}

function readOsRelease() {
  try {
    return readFileSync('/etc/os-release', 'utf8');
  } catch {
    return '';
  }
}
