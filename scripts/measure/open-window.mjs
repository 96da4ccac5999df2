/** The window under a driver, for what only a user's hands can start. */
import { readFile } from 'node:fs/promises';
import { _electron } from 'playwright-core';
import { projectRoot } from '../project-root.mjs';

/**
 * @typedef {object} MeasuredWindow
 * @property {import('playwright-core').ElectronApplication} app
 * @property {import('playwright-core').Page} page
 * @property {(guest: string, options: object) => Promise<void>} load  makes a machine of a guest that comes with the program
 * @property {() => Promise<void>} reload   the page anew, on the same machine
 * @property {(expression: string) => Promise<any>} probe  evaluates an expression beside page-probe.js
 */

/**
 * @template T
 * @param {import('./measuring-place.mjs').MeasuringPlace} place
 * @param {(window: MeasuredWindow) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withWindow(place, work) {
  const app = await _electron.launch({
    executablePath: place.runtime.executable,
    args: [...place.switches, projectRoot],
    chromiumSandbox: true,
    // Lets a test take hold of the engine in main, whose answers cost the page nothing.
    env: { ...definedOnly(place.env), UMBRA_E2E: '1' },
    timeout: 60_000,
  });
  try {
    const page = await app.firstWindow();
    const source = await readFile(new URL('page-probe.js', import.meta.url), 'utf8');
    const ready = async () => {
      await page
        .locator('.workbench[data-state=paused], .workbench[data-state=halted], .workbench[data-state=exited]')
        .waitFor();
      await page.evaluate(source);
    };
    const reload = async () => {
      await page.reload();
      await ready();
    };
    await ready();
    return await work({
      app,
      page,
      reload,
      probe: (expression) => page.evaluate(expression),
      async load(guest, options) {
        await page.evaluate(`umbraProbe.load(${JSON.stringify(guest)}, ${JSON.stringify(options)})`);
        await reload();
      },
    });
  } finally {
    await app.close();
  }
}

/** @param {NodeJS.ProcessEnv} env */
const definedOnly = (env) =>
  Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
