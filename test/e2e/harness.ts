/** Starts the real window for a test, and takes pictures of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { _electron } from 'playwright-core';
import type { ElectronApplication, Page } from 'playwright-core';
import { inject } from 'vitest';
import { projectRoot } from '../../scripts/project-root.mjs';

/** What a window is made to look like: the same everywhere, so that pictures can be compared. */
export interface Look {
  readonly width: number;
  readonly height: number;
  readonly colorScheme: 'dark' | 'light';
}

/** The sizes and schemes that every panel must look well in. */
export const LOOKS: readonly Look[] = (['dark', 'light'] as const).flatMap((colorScheme) => [
  { width: 1280, height: 800, colorScheme },
  { width: 1920, height: 1080, colorScheme },
]);

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
  /** A screenshot in each look: `<name>-1280-dark.png`. */
  photograph(name: string): Promise<void>;
  /** Lets the engine's worker, or the thread of a vCPU, die of an error of its own. */
  crashEngine(vcpu?: number): Promise<void>;
  close(): Promise<void>;
}

export async function dress(page: Page, { width, height, colorScheme }: Look): Promise<void> {
  await page.setViewportSize({ width, height });
  await page.emulateMedia({ colorScheme });
}

/** Until plots are drawn anew and transitions are over. */
const SETTLED_MS = 300;

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
  async function screenshot(name: string): Promise<void> {
    await page.screenshot({ path: path.join(inject('screenshots'), `${name}.png`) });
  }
  return {
    app,
    page,
    userData: folder,
    pageErrors,
    screenshot,
    async photograph(name) {
      for (const look of LOOKS) {
        await dress(page, look);
        await page.waitForTimeout(SETTLED_MS);
        await screenshot(`${name}-${look.width}-${look.colorScheme}`);
      }
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
