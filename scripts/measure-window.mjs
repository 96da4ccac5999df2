#!/usr/bin/env node
import './setup/node-version.mjs';

// `node scripts/measure-window.mjs [--runs N] [--minutes N]`: measures the built window in a real Electron and prints one JSON
// object; what it is doing goes to stderr. The `window` benchmark of the command line runs it.

const { Complaint, runEntry } = await import('./setup/complaint.mjs');
await runEntry(async () => {
  const { parseArgs } = await import('node:util');
  const { ensureNpmPackages } = await import('./setup/npm-packages.mjs');
  await ensureNpmPackages();
  const { measureWindow } = await import('./measure/window.mjs');
  const { values } = parseArgs({
    options: { runs: { type: 'string', default: '3' }, minutes: { type: 'string', default: '1' } },
  });
  const runs = Number(values.runs);
  const minutes = Number(values.minutes);
  if (!Number.isInteger(runs) || runs < 1 || !(minutes > 0 && minutes <= 24 * 60)) {
    throw new Complaint('usage: node scripts/measure-window.mjs [--runs N] [--minutes N]');
  }
  const report = await measureWindow({ runs, minutes, say: (line) => console.error(line) });
  console.log(JSON.stringify(report));
});
