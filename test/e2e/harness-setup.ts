/** Once before all end-to-end tests: a display, a runtime, a fresh build. Works alone too (`npx vitest run -c vitest.e2e.config.ts`). */
import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { ensureAppBundle } from '../../scripts/build/app-bundle.mjs';
import { ensureCliBundle } from '../../scripts/build/cli-bundle.mjs';
import { inProject } from '../../scripts/project-root.mjs';
import { resolveRuntime, runtimeSwitches } from '../../scripts/runtime/resolve-runtime.mjs';
import { findDisplay } from '../../scripts/setup/display.mjs';
import { ensureSystemLibraries } from '../../scripts/setup/system-libraries.mjs';
import { openVirtualDisplay } from '../../scripts/setup/virtual-display.mjs';
import type { ElectronRuntime } from '../../scripts/runtime/resolve-runtime.mjs';

/** Wide enough for the whole workbench, and the same everywhere, so that screenshots can be compared. */
export const SCREEN = { width: 1600, height: 1000 };

declare module 'vitest' {
  export interface ProvidedContext {
    runtime: ElectronRuntime;
    switches: string[];
    screenshots: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  await ensureSystemLibraries({ virtualDisplay: true });
  const runtime = await resolveRuntime();
  await ensureAppBundle();
  await ensureCliBundle();
  // A test window on the user's own screen would be in the way, and of another size.
  const display = process.platform === 'linux' ? await openVirtualDisplay(SCREEN) : undefined;
  if (display) process.env['DISPLAY'] = display.name;

  const screenshots = inProject('test', 'screenshots');
  await rm(screenshots, { recursive: true, force: true });
  project.provide('runtime', runtime);
  const own = display ? ({ present: false, reason: 'tests have a virtual one' } as const) : await findDisplay();
  project.provide('switches', runtimeSwitches(runtime, own));
  project.provide('screenshots', screenshots);
  return () => display?.close();
}
