import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { inProject, projectRoot } from '../project-root.mjs';
import { runToEnd } from '../setup/child-process.mjs';
import { tallyOf } from './tally.mjs';

/**
 * Runs vitest with a configuration, in view, and counts what it reports.
 * @param {string} config
 * @returns {Promise<import('./tally.mjs').Tally>}
 */
export async function runVitest(config) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-vitest-'));
  const report = path.join(folder, 'report.json');
  try {
    const { status } = await runToEnd(
      process.execPath,
      [
        inProject('node_modules', 'vitest', 'vitest.mjs'),
        'run',
        `--config=${inProject(config)}`,
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
      ],
      { cwd: projectRoot, output: 'inherit' },
    );
    const text = await readFile(report, 'utf8').catch(() => undefined);
    return tallyOf(text === undefined ? undefined : JSON.parse(text), status);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
