import { Complaint } from '../setup/complaint.mjs';
import { figure } from './figure.mjs';

const SPTES = 1_000_000;
/** Shadow pages for a million MMIO sptes: 1954 leaf pages, the tables above them, RAM's own. */
const MMU_PAGES = 8192;
const SCROLL_MS = 4000;

/** Pixels a frame; a row has twenty. */
const SPEEDS = [
  { name: 'slowly', pixels: 24 },
  { name: 'flung', pixels: 3000 },
  { name: 'by the bar', pixels: 80_000 },
];

/**
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @returns {Promise<import('./figure.mjs').Figure[]>}
 */
export async function measureSpteScrolling({ page, probe, load, reload }) {
  await load('storm', { mmuPages: MMU_PAGES, append: `pages=${SPTES} passes=1 mode=long` });
  await probe('umbraProbe.runToExit()');
  await reload();
  await page.keyboard.press('Alt+5');
  await page.waitForTimeout(1500);
  const count = Number((await probe('umbraProbe.spteCount()')).replaceAll(/\D/g, ''));
  if (count < SPTES) throw new Complaint(`only ${count} of ${SPTES} MMIO sptes are in the inspector`);

  const figures = [];
  for (const { name, pixels } of SPEEDS) {
    const { frames, seconds, dropped, worst, longTasks, blank } = await probe(
      `umbraProbe.scroll(${pixels}, ${SCROLL_MS})`,
    );
    figures.push(
      figure(
        `scrolling 1 M sptes ${name}`,
        frames / seconds,
        'frames/s',
        { atLeast: 59 },
        `${dropped} frames dropped, worst ${worst.toFixed(0)} ms, ${longTasks} long tasks, ${(blank * 100).toFixed(1)} % of the rows not there yet`,
      ),
    );
  }
  for (const { name, selector, value } of [
    // The order by value begins as that by gfn does, so the first rows tell the second sorting from the one before.
    { name: 'sorting 1 M sptes downwards', selector: '[data-sort=gfn]', value: undefined },
    { name: 'sorting 1 M sptes by value', selector: '[data-sort=value]', value: undefined },
    { name: 'filtering 1 M sptes', selector: '[name=spte-kind]', value: 'link' },
  ]) {
    const { ms, dropped, worst } = await probe(`umbraProbe.change('${selector}', ${JSON.stringify(value)})`);
    figures.push(
      figure(
        name,
        ms ?? Number.POSITIVE_INFINITY,
        'ms',
        undefined,
        `to the frame with the first row; ${dropped} frames dropped, worst ${worst.toFixed(0)} ms`,
      ),
    );
    await page.waitForTimeout(400);
  }
  return figures;
}
