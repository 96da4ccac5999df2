/** The race laboratory in the real window: an update of the present machine held between its steps, and scripts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Locator } from 'playwright-core';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { PanelName, Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;
let panel: Locator;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
  await bench.runAWhile();
  panel = await bench.open('memslots');
});
afterAll(() => umbra.close());

/** Panels whose header says which moment they show. */
const MOMENT_PANELS: readonly PanelName[] = [
  'registers',
  'memory',
  'sptes',
  'generation',
  'mmio',
  'walk',
  'devices',
  'statistics',
];
const step = (name: string): Locator => panel.locator(`[data-step="${name}"]`);
const place = (name: string) => step(name).getAttribute('data-place');
const log = (): Promise<string> => panel.locator('[role=log][aria-label^="What has happened"]').innerText();

describe('a memslot update of the present machine', () => {
  it('is applied step by step: the steps of the era are drawn, and which comes next', async () => {
    await panel.getByRole('button', { name: 'New slot' }).click();
    await panel.locator('[data-verdict=future-report]').waitFor();
    await panel.locator('[data-action=hold]').click();
    await step('installed').waitFor();
    await expect.poll(() => place('installed')).toBe('next');
    await expect.poll(() => place('freed')).toBe('later');
    await panel.locator('[data-action=hold-step]').click();
    await bench.eventually(async () => (await place('installed')) ?? '', /done/, 'the table is published');
    await expect.poll(() => bench.reading('next-step')).toMatch(/settled/);
    await expect.poll(() => log()).toMatch(/installed: the new table is published and the next generation with it/);
  });

  it('is seen in every panel meanwhile: each says that an update is in flight', async () => {
    for (const name of MOMENT_PANELS) {
      const shown = await bench.open(name);
      await bench.eventually(() => shown.locator('.moment').first().innerText(), /update in flight/, name);
    }
    await expect
      .poll(() => umbra.page.locator('footer').innerText())
      .toMatch(/A memslot update is in flight: slot 2: CREATE/);
    panel = await bench.open('memslots');
  });

  it('lets the chosen vCPU take a step by key, and run to its next exit; running freely waits', async () => {
    await umbra.page.keyboard.press('F11');
    await bench.eventually(log, /vCPU 0: 1\s+instruction retired/, 'one instruction');
    await umbra.page.keyboard.press('Shift+F8');
    await bench.eventually(log, /; 1\s+exit/, 'one exit');
    await expect.poll(() => umbra.page.locator('.run-bar .run').isDisabled()).toBe(true);
    await umbra.photograph('70-held-update');
  });

  it('goes on by key to its end, and the machine runs again', async () => {
    await umbra.page.keyboard.press('F8');
    await bench.eventually(async () => (await place('settled')) ?? '', /done/, 'another step');
    await umbra.page.keyboard.press('Control+F8');
    await panel.getByText('The update has returned').waitFor();
    await expect.poll(() => log()).toMatch(/CREATE has returned: generation/);
    await panel.locator('[data-slot="2"]').waitFor();
    await panel.getByRole('button', { name: 'Close the log of the update' }).click();
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('running');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
  });

  it('can be taken back as any other change', async () => {
    await umbra.page.keyboard.press('Control+Z');
    await panel.locator('[data-slot="2"]').waitFor({ state: 'detached' });
  });

  it('shows a slot on its way out as INVALID', async () => {
    await panel.locator('[data-slot="1"] > span').first().click();
    await panel.getByRole('button', { name: /^Delete slot 1/ }).click();
    await panel.locator('[data-action=hold]').click();
    await panel.locator('[data-action=hold-step]').click();
    await bench.eventually(() => panel.locator('[data-slot="1"]').innerText(), /INVALID/, 'the slot is INVALID');
    await expect.poll(() => place('flushed')).toBe('later');
    await umbra.screenshot('71-held-delete');
    await panel.locator('[data-action=hold-finish]').click();
    await panel.locator('[data-slot="1"]').waitFor({ state: 'detached' });
    await umbra.page.keyboard.press('Control+Z');
    await panel.locator('[data-slot="1"]').waitFor();
  });
});

describe('a script of the race player', () => {
  let start: Locator;
  const state = (): Promise<string> => start.locator('[data-reading=race-state]').innerText();

  it('is stepped, forth and back, and says after each line how update, vCPUs and sptes stand', async () => {
    start = await bench.open('start');
    await start.locator('[data-race=corrupt-spte]').click();
    await start.locator('select[name=race-era]').selectOption('v3.17');
    await start.getByRole('button', { name: 'Play' }).click();
    const next = start.locator('[data-action=race-next]');
    for (let n = 0; n < 3; n++) await next.click();
    await bench.eventually(state, /vCPU 0 inside a fault[\s\S]*Next, drained/, 'held while the table is published');
    await expect.poll(() => start.locator('[data-step=installed]').getAttribute('data-place')).toBe('done');
    await start.getByRole('button', { name: 'Step back' }).click();
    await bench.eventually(() => bench.reading('race-steps'), /^2 of/, 'one line back');
    await umbra.photograph('72-race-player');
    await start.getByRole('button', { name: 'To the end' }).click();
    await bench.eventually(() => start.locator('.outcome').innerText(), /No bug strikes in v3\.17/, 'fixed there');
  });

  it('says in which kernels it strikes, by having been played in each', async () => {
    const row = (era: string): Promise<string> => start.locator(`[data-era="${era}"]`).innerText();
    await expect.poll(() => row('v3.11')).toMatch(/potentially corrupt MMIO cache \(ee3d1570b586\)/);
    await expect.poll(() => row('v3.17')).toMatch(/nothing/);
    await start.locator('select[name=race]').selectOption('resynced-spte');
    await start.getByRole('button', { name: 'Play' }).click();
    await bench.eventually(() => row('v6.8'), /stale MMIO spte marked afresh/, 'never fixed');
    await expect.poll(() => row('v3.10')).toMatch(/nothing/);
    await start.getByText('In which kernels it strikes').scrollIntoViewIfNeeded();
    await umbra.photograph('73-race-eras');
  });

  it('may be edited; one that cannot be read is refused with its line, and comes back as it was', async () => {
    await start.getByText('Script', { exact: false }).first().click();
    const text = start.locator('textarea[name=race-script]');
    await text.fill('title mine\nvcpu 0 jump');
    await start.getByRole('button', { name: 'Play' }).click();
    await bench.eventually(
      () => start.locator('[role=alert]').innerText(),
      /line 2: command 'jump' must be one of/,
      'the line',
    );
    await start.getByRole('button', { name: 'As it was' }).click();
    await expect.poll(() => text.inputValue()).toMatch(/^title A stale MMIO spte/);
  });
});

describe('the window around it', () => {
  it('has made no noise on its console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
