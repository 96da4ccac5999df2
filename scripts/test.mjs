#!/usr/bin/env node
import './setup/node-version.mjs';

// `npm test`: brings what is missing, then checks, tests, builds, and tests the built window. The last line says how many
// passed and failed; a check or a build counts as one.

const { runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  await setUp();
  const { CHECK_STEPS } = await import('./check/steps.mjs');
  const { runChecks } = await import('./check/run-checks.mjs');
  const { ensureAppBundle } = await import('./build/app-bundle.mjs');
  const { ensureCliBundle } = await import('./build/cli-bundle.mjs');
  const { runVitest } = await import('./verify/vitest-run.mjs');
  const { sumOf } = await import('./verify/tally.mjs');

  const builds = [
    { name: 'build of the command line', run: () => attempt(ensureCliBundle) },
    { name: 'build of the window', run: () => attempt(ensureAppBundle) },
  ];
  const checked = await runChecks(CHECK_STEPS, console.log);
  const built = await runChecks(builds, console.log);
  const tested = await runVitest('vitest.config.ts');
  const driven = built.failed === 0 ? await runVitest('vitest.e2e.config.ts') : { passed: 0, failed: 1 };

  const { passed, failed } = sumOf([checked, built, tested, driven]);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});

/** Whoever reads the last line reads it of a set-up that fails, too: that is one failure. */
async function setUp() {
  try {
    const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
    const { ensureSystemLibraries } = await import('./setup/system-libraries.mjs');
    await ensureNpmPackages();
    await ensureSystemLibraries({ virtualDisplay: true });
    const { resolveRuntime } = await import('./runtime/resolve-runtime.mjs');
    await resolveRuntime();
  } catch (error) {
    process.once('exit', () => console.log('0 passed, 1 failed'));
    throw error;
  }
}

/** @param {() => Promise<unknown>} build */
async function attempt(build) {
  try {
    await build();
    return { passed: true, output: '' };
  } catch (error) {
    return { passed: false, output: String(error) };
  }
}
