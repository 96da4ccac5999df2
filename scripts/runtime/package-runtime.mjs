import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runToEnd } from '../setup/child-process.mjs';
import { inProject } from '../project-root.mjs';
import { cacheFolder } from './cache-folder.mjs';
import { openElectronFolder } from './electron-folder.mjs';

// The download is some 110 MB; a host that drops packets must not hold up a start for longer than this.
const INSTALL_TIMEOUT_MS = 180_000;
const FORGET_FAILURE_AFTER_MS = 24 * 3600 * 1000;

/**
 * The runtime of the `electron` package: as installed, else by its own install script, tried once. That it failed is
 * remembered for a day, so that the next start does not wait for the network again.
 * @returns {Promise<{ ok: true, runtime: import('./electron-folder.mjs').ElectronRuntime } | { ok: false, reason: string }>}
 */
export async function packageRuntime() {
  const { version } = JSON.parse(readFileSync(inProject('node_modules', 'electron', 'package.json'), 'utf8'));
  const open = () => {
    const runtime = openElectronFolder(inProject('node_modules', 'electron', 'dist'), 'package');
    return runtime?.version === version ? runtime : undefined;
  };
  const installed = open();
  if (installed) return { ok: true, runtime: installed };

  const memo = failureMemo(version);
  const known = memo.read();
  if (known !== undefined) return { ok: false, reason: known };

  const install = await runToEnd(process.execPath, [inProject('node_modules', 'electron', 'install.js')], {
    timeoutMs: INSTALL_TIMEOUT_MS,
  });
  const runtime = open();
  if (runtime) {
    memo.clear();
    return { ok: true, runtime };
  }
  const firstLine = install.stderr.split('\n').find((line) => line.trim() !== '') ?? 'no answer in time';
  const reason = `Electron ${version} could not be downloaded (${firstLine.trim()})`;
  memo.write(reason);
  return { ok: false, reason };
}

/** @param {string} version */
function failureMemo(version) {
  const file = path.join(cacheFolder(), `electron-${version}-unavailable.json`);
  // Another mirror is another chance.
  const mirror = process.env['ELECTRON_MIRROR'] ?? process.env['npm_config_electron_mirror'] ?? '';
  return {
    /** @returns {string | undefined} */
    read() {
      try {
        const memo = JSON.parse(readFileSync(file, 'utf8'));
        const isCurrent = Date.now() - Date.parse(memo.at) < FORGET_FAILURE_AFTER_MS && memo.mirror === mirror;
        return isCurrent ? String(memo.reason) : undefined;
      } catch {
        return undefined;
      }
    },
    /** @param {string} reason */
    write(reason) {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, `${JSON.stringify({ version: 1, at: new Date().toISOString(), mirror, reason })}\n`);
    },
    clear() {
      rmSync(file, { force: true });
    },
  };
}
