/** Starts the real window for a test, and takes pictures of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { _electron } from 'playwright-core';
import type { ElectronApplication, Page } from 'playwright-core';
import { inject } from 'vitest';
import { projectRoot } from '../../scripts/project-root.mjs';

export interface LaunchOptions {
  /** An image to open instead of the demo guest. */
  readonly image?: string;
  /** Settings and layout of an earlier window; a fresh folder if not given. */
  readonly userData?: string;
}

/** A running window. */
export interface LaunchedUmbra {
  readonly app: ElectronApplication;
  readonly page: Page;
  readonly userData: string;
  /** What the page wrote to its console at level error, and exceptions that nobody caught. */
  readonly pageErrors: readonly string[];
  /** Writes `test/screenshots/<name>.png`. */
  screenshot(name: string): Promise<void>;
  /** Lets the engine's worker, or the thread of a vCPU, die of an error of its own. */
  crashEngine(vcpu?: number): Promise<void>;
  close(): Promise<void>;
}

export async function launchUmbra({ image, userData }: LaunchOptions = {}): Promise<LaunchedUmbra> {
  const runtime = inject('runtime');
  const folder = userData ?? (await mkdtemp(path.join(os.tmpdir(), 'umbra-e2e-')));
  const app = await _electron.launch({
    executablePath: runtime.executable,
    // As `npm start` does it; the sandbox is left out by these switches, for root only, and by nothing else.
    args: [...inject('switches'), `--user-data-dir=${folder}`, projectRoot, ...(image === undefined ? [] : [image])],
    chromiumSandbox: true,
    env: { ...process.env, UMBRA_E2E: '1' },
    timeout: 30_000,
  });
  const page = await app.firstWindow();
  const pageErrors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') pageErrors.push(message.text());
  });
  page.on('pageerror', (error) => pageErrors.push(error.stack ?? String(error)));
  return {
    app,
    page,
    userData: folder,
    pageErrors,
    async screenshot(name) {
      await page.screenshot({ path: path.join(inject('screenshots'), `${name}.png`) });
    },
    async crashEngine(vcpu) {
      await app.evaluate((_electron, id) => {
        const engine = Reflect.get(globalThis, 'umbraEngine');
        engine.crashForTest(id);
      }, vcpu);
    },
    async close() {
      await app.close();
      if (userData === undefined) await rm(folder, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
