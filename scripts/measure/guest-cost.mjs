/** What looking costs the guest: the same machine, with the window watching it and with nobody watching, in turns. */
import { figure, quantile } from './figure.mjs';
import { canWait, threadTimes, waitOfBusiest } from './thread-times.mjs';

const QUANTUM_MS = 700;
const PAIRS = 20;
const SETTLE_MS = 250;
const FOLLOW_MS = 3000;

const GUESTS = [
  { name: 'an MMIO storm', guest: 'storm', append: 'pages=20000 passes=4294967295 mode=long' },
  { name: 'a loop in memory', guest: 'spin', append: 'n=4294967295' },
];

/**
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @returns {Promise<import('./figure.mjs').Figure[]>}
 */
export async function measureGuestCost(window) {
  const figures = [];
  for (const { name, guest, append } of GUESTS) {
    // The panels of a first start are on screen, whatever another measurement has left.
    await window.page.evaluate("localStorage.removeItem('umbra.layout')");
    await window.load(guest, { append });
    await window.probe('umbraProbe.run()');
    await window.page.waitForTimeout(1500);
    /** @type {{ perSecond: { name: string, hertz: number }[] }} */
    const { perSecond } = await window.probe(`umbraProbe.followChanges(${FOLLOW_MS})`);
    // A panel whose numbers stand still has nothing to change.
    const rates = perSecond.toSorted((a, b) => b.hertz - a.hertz);
    const costs = [];
    const shares = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      // Who comes first takes turns, or a machine that grows slower would be blamed on the second.
      const order = pair % 2 === 0 ? [true, false] : [false, true];
      const [first, second] = [await stretch(window, order[0]), await stretch(window, order[1])];
      const [seen, unseen] = order[0] ? [first, second] : [second, first];
      costs.push(1 - seen.speed / unseen.speed);
      shares.push(seen.takenShare - unseen.takenShare);
    }
    await show(window, true);
    await window.probe('umbraProbe.pause()');
    figures.push(
      figure(
        `panels under ${name}`,
        rates.at(0)?.hertz ?? 0,
        'Hz',
        { atLeast: 29 },
        `changes a second: ${rates.map((one) => `${one.name} ${one.hertz.toFixed(0)}`).join(', ')}`,
      ),
      figure(
        `cost of the window to ${name}`,
        quantile(costs, 0.5) * 100,
        '%',
        { atMost: 5 },
        `by instructions; ${inPairs(costs)}`,
      ),
      figure(
        `time taken from ${name}`,
        quantile(shares, 0.5) * 100,
        '%',
        { atMost: 5 },
        `in which its thread answered${canWait ? ' or waited for a processor' : ''}; ${inPairs(shares)}`,
      ),
    );
  }
  return figures;
}

const percent = (/** @type {number} */ part) => `${(part * 100).toFixed(1)} %`;

const inPairs = (/** @type {readonly number[]} */ values) =>
  `median of ${values.length} pairs of ${QUANTUM_MS} ms, shown against hidden; quartiles ${percent(quantile(values, 0.25))} to ${percent(quantile(values, 0.75))}`;

/**
 * Two looks at the guest. Instructions depend on how fast the host is just now; which part of the time the guest's thread was
 * kept from running it does not. Main asks, so the page has no part in it.
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @param {boolean} isSeen
 */
async function stretch(window, isSeen) {
  await show(window, isSeen);
  await sleep(SETTLE_MS);
  const threads = threadTimes(window.app);
  const before = await reading(window);
  await sleep(QUANTUM_MS);
  const after = await reading(window);
  const length = after.at - before.at;
  const taken = after.answeringMs - before.answeringMs + waitOfBusiest(threads, threadTimes(window.app));
  return { speed: (after.insns - before.insns) / length, takenShare: taken / length };
}

/**
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @param {boolean} isSeen
 */
const show = ({ app }, isSeen) =>
  app.evaluate(({ BrowserWindow }, shown) => {
    const [only] = BrowserWindow.getAllWindows();
    if (shown) only.show();
    else only.hide();
  }, isSeen);

/**
 * @param {import('./open-window.mjs').MeasuredWindow} window
 * @returns {Promise<{ insns: number, answeringMs: number, at: number }>}
 */
const reading = ({ app }) =>
  app.evaluate(async () => {
    const engine = Reflect.get(globalThis, 'umbraEngine');
    const status = await engine.request('machine.status', {});
    return { insns: status.value.moment.insns, answeringMs: engine.answeringMs, at: performance.now() };
  });

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
