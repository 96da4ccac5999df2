/** Memory in the real window: searched, compared with another moment, watched over a reload. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
});
afterAll(() => umbra.close());

async function goTo(address: string): Promise<void> {
  await bench.fill('memory', 'address', address);
  await bench.panel('memory').locator('[name=address]').press('Enter');
  const first = bench.panel('memory').locator('.memory-row .address').first();
  await bench.eventually(() => first.innerText(), new RegExp(`${address.replace('gpa:', '')}$`), 'the bytes of there');
}

describe('memory', () => {
  it('is searched for bytes, and leads to where they stand', async () => {
    const memory = await bench.open('memory');
    await goTo('gpa:300000');
    await memory.locator('.cell.byte').first().click();
    await umbra.page.keyboard.type('deadbeef');
    await memory.getByRole('button', { name: 'Search memory' }).click();
    await memory.locator('[name=search-from]').fill('200000');
    await memory.locator('[name=search-length]').fill('2M');
    await memory.locator('[name=pattern]').fill('de ad be ef');
    await memory.locator('[name=pattern]').press('Enter');
    await bench.eventually(() => bench.reading('memory-matches'), /1/, 'one match');
    await umbra.screenshot('25-memory-search');
    await memory.getByRole('button', { name: 'Close the search' }).click();
  });

  it('is compared with another moment: what was written since is said', async () => {
    const memory = bench.panel('memory');
    await goTo('gpa:300000');
    await memory.getByRole('button', { name: 'Compare with another moment' }).click();
    await memory.getByRole('button', { name: 'what is in sight' }).click();
    await memory.getByRole('button', { name: 'Compare with now' }).waitFor();
    await memory.locator('.cell.byte').first().click();
    await umbra.page.keyboard.type('00');
    await memory.getByRole('button', { name: 'Compare with now' }).click();
    await bench.eventually(() => bench.reading('memory-differences'), /1/, 'what differs');
    await memory.getByRole('button', { name: 'Forget what was kept' }).click();
  });

  it('is watched, and still is after a reload', async () => {
    const memory = bench.panel('memory');
    const link = bench.panel('registers').locator('[data-register=rip] .value');
    await link.click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Watch it' }).click();
    const watches = memory.getByRole('region', { name: 'Watched places' });
    await bench.eventually(() => watches.innerText(), /gva/, 'the watch');
    await umbra.page.reload();
    await bench.waitForState('paused');
    await bench.open('memory');
    await bench.eventually(() => watches.innerText(), /gva/, 'the watch after the reload');
    await watches.getByRole('button', { name: 'Watch it no more' }).click();
    await watches.waitFor({ state: 'detached' });
  });
});

describe('the serial terminal', () => {
  it('takes the letters of a shell, and leaves the workbench its own keys', async () => {
    await bench.open('serial');
    await bench.panel('serial').locator('.xterm-helper-textarea').focus();
    const before = await umbra.page.locator('[data-tab]').count();
    // Ctrl+W closes a panel elsewhere; here it is the guest's.
    await umbra.page.keyboard.press('Control+W');
    await umbra.page.keyboard.press('Control+P');
    await umbra.page.getByRole('combobox', { name: 'Go to anything' }).waitFor();
    // Whatever Ctrl+W would have done is done by now.
    expect(await umbra.page.locator('[data-tab]').count()).toBe(before);
    await umbra.page.keyboard.press('Escape');
    await bench.panel('serial').locator('.xterm-helper-textarea').focus();
    const insns = await bench.reading('insns');
    await umbra.page.keyboard.press('F11');
    await bench.eventually(() => bench.reading('insns'), new RegExp(`^(?!${insns}$)`), 'a step');
    await umbra.page.keyboard.press('Shift+Tab');
    await expect
      .poll(() => umbra.page.evaluate(() => document.activeElement?.closest('[data-terminal]') ?? null))
      .toBeNull();
  });

  it('has made no noise on the console', () => expect(umbra.pageErrors).toEqual([]));
});
