/** The engine is another thread: when it dies, the window says so and starts a new one. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = workbench(umbra.page);
  await bench.waitForState('paused');
});
afterAll(() => umbra.close());

it('leaves the window alive, says what happened, and starts again', async () => {
  await umbra.crashEngine();
  const notice = umbra.page.getByRole('alert', { name: 'Engine crashed' });
  await notice.waitFor();
  await bench.waitForState('crashed');
  expect(await notice.innerText()).toMatch(/crash/i);
  // What was seen last stays on screen, and what needs the engine is off.
  expect(await bench.panel('disassembly').locator('[aria-current=true]').count()).toBe(1);
  await umbra.screenshot('08-crashed');
  await notice.getByRole('button', { name: 'Start again' }).click();
  await bench.waitForState('paused');
  expect(await notice.count()).toBe(0);
  await umbra.page.keyboard.press('F11');
  await bench.eventually(() => bench.reading('insns'), /^1$/, 'the new engine runs');
});
