import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ensureAppBundle } from '../build/app-bundle.mjs';
import { projectRoot } from '../project-root.mjs';
import { resolveRuntime, runtimeSwitches } from '../runtime/resolve-runtime.mjs';
import { runToEnd } from '../setup/child-process.mjs';
import { Complaint } from '../setup/complaint.mjs';
import { findDisplay } from '../setup/display.mjs';
import { ensureSystemLibraries } from '../setup/system-libraries.mjs';
import { openVirtualDisplay } from '../setup/virtual-display.mjs';

/**
 * @typedef {object} WindowMeasurement
 * @property {string} electron
 * @property {number[]} firstPaintMs           of each run, from the creation of the process
 * @property {Record<string, number>} memoryMiB  of the last run, by kind of process
 */

/**
 * @param {number} runs
 * @returns {Promise<WindowMeasurement>}
 */
export async function measureWindow(runs) {
  const display = await findDisplay();
  await ensureSystemLibraries({ virtualDisplay: !display.present });
  const runtime = await resolveRuntime();
  await ensureAppBundle();
  const virtual = display.present ? undefined : await openVirtualDisplay({ width: 1600, height: 1000 });
  // A profile of its own, or an open window of the user would answer instead.
  const userData = await mkdtemp(path.join(os.tmpdir(), 'umbra-measure-'));
  try {
    const switches = [...runtimeSwitches(runtime, display), `--user-data-dir=${userData}`, '--measure-startup'];
    const env = virtual ? { ...process.env, DISPLAY: virtual.name } : process.env;
    const firstPaintMs = [];
    /** @type {Record<string, number>} */
    let memoryMiB = {};
    for (let run = 0; run < runs; run++) {
      const { stdout, stderr } = await runToEnd(runtime.executable, [...switches, projectRoot], {
        env,
        timeoutMs: 60_000,
      });
      const line = stdout.split('\n').find((text) => text.startsWith('{"firstPaintMs"'));
      if (!line) throw new Complaint(`the window did not report:\n${stderr}`);
      const report = JSON.parse(line);
      firstPaintMs.push(report.firstPaintMs);
      memoryMiB = report.memoryMiB;
    }
    return { electron: runtime.version, firstPaintMs, memoryMiB };
  } finally {
    virtual?.close();
    await rm(userData, { recursive: true, force: true, maxRetries: 10 });
  }
}
