/** Time to the first window, and what the program weighs with it. Measured by a script of the checkout, which finds an Electron. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { median, type Benchmark, type Measurement } from './measurement.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 300_000;

const reportSchema = v.object({
  electron: v.string(),
  firstPaintMs: v.array(v.number()),
  memoryMiB: v.record(v.string(), v.number()),
});

const skip = (skipped: string): Measurement => ({ benchmark: 'window', figures: [], skipped });

export const windowStart: Benchmark = {
  name: 'window',
  summary: 'time to first window, and its memory',
  async run(say) {
    const script = process.env['UMBRA_MEASURE_WINDOW'];
    if (script === undefined) return skip('only a checkout can start its window for measuring (npm run bench)');
    say('starting the window');
    try {
      const { stdout } = await run(process.execPath, [script], { timeout: TIMEOUT_MS });
      const report = v.parse(reportSchema, JSON.parse(stdout));
      const total = Object.values(report.memoryMiB).reduce((sum, mib) => sum + mib, 0);
      return {
        benchmark: 'window',
        skipped: undefined,
        figures: [
          {
            name: 'first window',
            value: median(report.firstPaintMs),
            unit: 'ms',
            target: undefined,
            how: `median of ${report.firstPaintMs.length} starts of Electron ${report.electron}`,
          },
          {
            name: 'memory with the window',
            value: total,
            unit: 'MiB',
            target: undefined,
            how: 'resident size of all its processes',
          },
        ],
      };
    } catch (error) {
      return skip(firstLine(error));
    }
  },
};

function firstLine(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  const text = stderr.trim() || (error instanceof Error ? error.message : String(error));
  return text.split('\n')[0];
}
