#!/usr/bin/env node
import './setup/node-version.mjs';

// `npm run check`: types, lint, format, import table, names. With names of steps as arguments, only those:
// `npm run check -- names "import table"`.

const { Complaint, runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  await ensureNpmPackages();
  const { CHECK_STEPS } = await import('./check/steps.mjs');
  const { runChecks } = await import('./check/run-checks.mjs');

  const wanted = process.argv.slice(2);
  const unknown = wanted.filter((name) => !CHECK_STEPS.some((step) => step.name === name));
  if (unknown.length > 0) {
    const names = CHECK_STEPS.map(({ name }) => name).join(', ');
    throw new Complaint(`no check is called ${unknown.join(', ')}; there are: ${names}`);
  }
  const steps = wanted.length === 0 ? CHECK_STEPS : CHECK_STEPS.filter(({ name }) => wanted.includes(name));
  const { failed } = await runChecks(steps, console.log);
  if (failed > 0) process.exitCode = 1;
});
