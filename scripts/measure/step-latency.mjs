import { figure, quantile } from './figure.mjs';

const WARM_UP = 10;
const STEPS = 100;

/**
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @returns {Promise<import('./figure.mjs').Figure[]>}
 */
export async function measureSteps({ page, probe }) {
  /** @type {number[]} */
  const rip = [];
  /** @type {number[]} */
  const all = [];
  let missed = 0;
  for (let step = -WARM_UP; step < STEPS; step++) {
    await probe('umbraProbe.armStep()');
    await page.keyboard.press('F11');
    const result = await probe('umbraProbe.result()');
    // The next key comes when nothing of this one is under way, as a person's does.
    await page.waitForTimeout(30);
    if (step < 0) continue;
    if (result.rip === undefined) missed += 1;
    else rip.push(result.rip);
    if (result.all !== undefined) all.push(result.all);
  }
  const how = `${rip.length} steps, key to the frame with the new rip${missed > 0 ? `; ${missed} moved nothing` : ''}`;
  return [
    figure('step to painted, p50', quantile(rip, 0.5), 'ms', undefined, how),
    figure('step to painted, p95', quantile(rip, 0.95), 'ms', { atMost: 50 }, how),
    figure(
      'step to all painted, p95',
      quantile(all, 0.95),
      'ms',
      undefined,
      'to the frame in which every panel on screen is of the new moment',
    ),
  ];
}
