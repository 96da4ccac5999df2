/** The program as it is, without a debugger attached: it reports by itself (electron/main/startup-measure.ts). */
import { projectRoot } from '../project-root.mjs';
import { runToEnd } from '../setup/child-process.mjs';
import { Complaint } from '../setup/complaint.mjs';
import { figure, quantile } from './figure.mjs';

/**
 * @param {import('./measuring-place.mjs').MeasuringPlace} place
 * @param {number} runs
 * @returns {Promise<import('./figure.mjs').Figure[]>}
 */
export async function measureStart(place, runs) {
  const { runtime, switches, env } = place;
  /** @type {{ firstPaint: number, useful: number, memoryMiB: Record<string, number> }[]} */
  const reports = [];
  for (let run = 0; run < runs; run++) {
    const startedAt = Date.now();
    const { stdout, stderr } = await runToEnd(runtime.executable, [...switches, '--measure-startup', projectRoot], {
      env,
      timeoutMs: 60_000,
    });
    const line = stdout.split('\n').find((text) => text.startsWith('{"firstPaintAt"'));
    if (!line) throw new Complaint(`the window did not report:\n${stderr}`);
    const { firstPaintAt, usefulAt, memoryMiB } = JSON.parse(line);
    reports.push({ firstPaint: firstPaintAt - startedAt, useful: usefulAt - startedAt, memoryMiB });
  }
  const medianOf = (/** @type {'firstPaint' | 'useful'} */ name) =>
    quantile(
      reports.map((report) => report[name]),
      0.5,
    );
  const memory = Object.values(reports[reports.length - 1].memoryMiB);
  const starts = `median of ${runs} starts, from before the process is created`;
  return [
    figure('first paint', medianOf('firstPaint'), 'ms', undefined, starts),
    figure(
      'first useful window',
      medianOf('useful'),
      'ms',
      { atMost: 2000 },
      'the same, to the frame with the demo guest’s first instruction in it',
    ),
    figure(
      'memory after the start',
      memory.reduce((sum, mib) => sum + mib, 0),
      'MiB',
      undefined,
      'resident size of all processes',
    ),
  ];
}
