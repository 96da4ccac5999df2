import { figure, slope } from './figure.mjs';

const SAMPLE_MS = 2000;

/**
 * The page's memory while a guest runs under all panels of the layout.
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @param {number} minutes
 * @returns {Promise<import('./figure.mjs').Figure[]>}
 */
export async function measureMemory(window, minutes) {
  const { page, app, load, probe } = window;
  await load('storm', { append: 'pages=20000 passes=4294967295 mode=long' });
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  await probe('umbraProbe.run()');
  await page.waitForTimeout(2000);
  const began = Date.now();
  /** @type {{ x: number, y: number }[]} */
  const samples = [];
  const watch = async (/** @type {number} */ until) => {
    while (Date.now() < until) {
      samples.push({ x: (Date.now() - began) / 3_600_000, y: await residentMiB(app) });
      await page.waitForTimeout(SAMPLE_MS);
    }
  };
  await watch(began + minutes * 30_000);
  const halfTime = Date.now();
  const heapBefore = await usedHeap(session);
  await watch(began + minutes * 60_000);
  const heapAfter = await usedHeap(session);
  const hours = (Date.now() - halfTime) / 3_600_000;
  await probe('umbraProbe.pause()');
  const last = samples[samples.length - 1];
  return [
    figure(
      'memory of the page',
      last.y,
      'MiB',
      { atMost: 300 },
      `resident size after ${minutes} min of a running guest, all panels of the layout open`,
    ),
    figure(
      'its growth',
      slope(samples.slice(samples.length >> 1)),
      'MiB/h',
      undefined,
      `least squares over the second half of ${samples.length} samples`,
    ),
    figure(
      'growth of its live heap',
      (heapAfter - heapBefore) / 1024 / 1024 / hours,
      'MiB/h',
      undefined,
      `${(heapBefore / 1024 / 1024).toFixed(1)} to ${(heapAfter / 1024 / 1024).toFixed(1)} MiB, over the second half, after a collection each`,
    ),
  ];
}

/** @param {import('playwright-core').CDPSession} session */
async function usedHeap(session) {
  await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  return metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN;
}

/** @param {import('playwright-core').ElectronApplication} app */
const residentMiB = (app) =>
  app.evaluate(
    ({ app: electron }) =>
      electron
        .getAppMetrics()
        .filter(({ type }) => type === 'Tab')
        .reduce((sum, { memory }) => sum + memory.workingSetSize, 0) / 1024,
  );
