import { figure, quantile } from './figure.mjs';

/** The keys that open the panels; test/unit/scripts/measure-figures.test.ts holds them to those of the window. */
export const PANEL_KEYS = {
  disassembly: '1',
  registers: '2',
  memory: '3',
  memslots: '4',
  sptes: '5',
  mmio: '6',
  breakpoints: '7',
  generation: '8',
  serial: '9',
  statistics: '0',
  walk: 'W',
  trace: 'T',
  screen: 'S',
  console: 'C',
  devices: 'D',
  start: 'H',
};

const ROUNDS = 2;

/**
 * Every panel is closed and opened again, as if it had never been there.
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @returns {Promise<import('./figure.mjs').Figure[]>}
 */
export async function measurePanels({ page, probe }) {
  /** @type {{ name: string, ms: number }[]} */
  const openings = [];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, key] of Object.entries(PANEL_KEYS)) {
      await page.keyboard.press(`Alt+${key}`);
      await page.waitForTimeout(250);
      const hasMoment = await probe(`umbraProbe.hasMoment('${name}')`);
      await probe(`umbraProbe.closePanel('${name}')`);
      // The key that opens is the second to go down.
      await page.keyboard.down('Alt');
      await probe(`umbraProbe.armPanel('${name}', ${hasMoment})`);
      await page.keyboard.press(key);
      await page.keyboard.up('Alt');
      const ms = await probe('umbraProbe.result()');
      openings.push({ name, ms: ms ?? Number.POSITIVE_INFINITY });
      await page.waitForTimeout(60);
    }
  }
  const worst = openings.toSorted((a, b) => b.ms - a.ms)[0];
  const times = openings.map(({ ms }) => ms);
  const how = `${openings.length} openings of ${Object.keys(PANEL_KEYS).length} closed panels, key to the frame with its data`;
  return [
    figure('open a panel, p50', quantile(times, 0.5), 'ms', undefined, how),
    figure(
      'open a panel, p95',
      quantile(times, 0.95),
      'ms',
      { atMost: 100 },
      `worst: ${worst.name}, ${Math.round(worst.ms)} ms`,
    ),
  ];
}
