/** All measurements of the window, one after the other. */
import { measureGuestCost } from './guest-cost.mjs';
import { openMeasuringPlace } from './measuring-place.mjs';
import { withWindow } from './open-window.mjs';
import { measurePanels } from './panel-opening.mjs';
import { measureMemory } from './renderer-memory.mjs';
import { measureSpteScrolling } from './spte-scrolling.mjs';
import { measureSteps } from './step-latency.mjs';
import { measureStart } from './window-start.mjs';

/**
 * @param {{ runs: number, minutes: number, say: (line: string) => void }} settings
 * @returns {Promise<{ electron: string, display: string, figures: import('./figure.mjs').Figure[] }>}
 */
export async function measureWindow({ runs, minutes, say }) {
  const place = await openMeasuringPlace();
  try {
    say(`starting the window ${runs} times`);
    const figures = await measureStart(place, runs);
    /** @type {readonly [string, (window: import('./open-window.mjs').MeasuredWindow) => Promise<import('./figure.mjs').Figure[]>][]} */
    const parts = [
      ['stepping', measureSteps],
      ['opening panels', measurePanels],
      ['scrolling a million sptes', measureSpteScrolling],
      ['the cost to a running guest', measureGuestCost],
      [`the page's memory, ${minutes} min`, (window) => measureMemory(window, minutes)],
    ];
    // A window of its own for each, so that none finds what another has left.
    for (const [title, measure] of parts) {
      say(title);
      figures.push(...(await withWindow(place, measure)));
    }
    return { electron: place.runtime.version, display: place.display, figures };
  } finally {
    await place.close();
  }
}
