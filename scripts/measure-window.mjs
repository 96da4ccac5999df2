#!/usr/bin/env node
import './setup/node-version.mjs';

// `node scripts/measure-window.mjs [--runs N]`: starts the built window N times and prints, as one JSON object, how long the
// first paint took and what the processes weigh. The `window` benchmark of the command line runs it.

const { Complaint, runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  const { parseArgs } = await import('node:util');
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  await ensureNpmPackages();
  const { measureWindow } = await import('./launch/window-measurement.mjs');
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' } } });
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) throw new Complaint('usage: node scripts/measure-window.mjs [--runs N]');
  console.log(JSON.stringify(await measureWindow(runs)));
});
