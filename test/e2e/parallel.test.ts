/** Parallel mode in the real window: a thread for each vCPU, started from the form, and all that the debugger does with it. */
import os from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

/** The page behind RAM that the guest reads all the time. */
const WINDOW = '0xe0000000';

let umbra: LaunchedUmbra;
let bench: Workbench;

beforeAll(async () => {
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
});
afterAll(() => umbra.close());

const insns = (): Promise<number> => bench.insns();
const reason = () => umbra.page.locator('.run-bar .reason').innerText();

async function runPast(count: number): Promise<void> {
  await expect.poll(insns, { timeout: 30_000 }).toBeGreaterThan(count);
}

async function pause(): Promise<number> {
  await umbra.page.keyboard.press('F5');
  await bench.waitForState('paused');
  return insns();
}

describe('a machine with a thread for each vCPU', () => {
  it('comes from the form', async () => {
    await umbra.page.keyboard.press('Control+O');
    const dialog = umbra.page.getByRole('dialog', { name: 'Open an image' });
    await dialog.locator('[name=guest]').selectOption('smp');
    await dialog.locator('[name=vcpus]').fill('2');
    await dialog.locator('[name=threads]').check();
    await dialog.locator('[name=era]').selectOption('v6.8');
    await dialog.locator('[name=append]').fill(`vcpus=2 op=hammer patience=2g window=${WINDOW}`);
    await umbra.screenshot('parallel-form');
    await dialog.getByRole('button', { name: 'Load' }).click();
    await dialog.waitFor({ state: 'detached' });
    await bench.waitForState('paused');
    await expect.poll(() => insns()).toBe(0);
  });

  it('runs, pauses and stands still', async () => {
    await umbra.page.keyboard.press('F5');
    await runPast(200_000);
    const before = await pause();
    await umbra.screenshot('parallel-paused');
    await umbra.page.keyboard.press('F11');
    await expect.poll(insns).toBe(before + 1);
    await bench.waitForState('paused');
  });

  it.runIf(process.platform === 'linux')('has more of a contested processor than what draws the window', async () => {
    const drawing = await umbra.app.evaluate(({ app }) =>
      app.getAppMetrics().flatMap(({ type, pid }) => (type === 'Tab' || type === 'GPU' ? [pid] : [])),
    );
    expect(drawing.length).toBeGreaterThanOrEqual(2);
    for (const pid of drawing) expect(os.getPriority(pid)).toBe(5);
    expect(os.getPriority(await umbra.app.evaluate(() => process.pid))).toBeLessThan(5);
  });

  it('takes a memslot while it runs', async () => {
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('running');
    const memslots = await bench.open('memslots');
    await memslots.getByRole('button', { name: 'New slot' }).click();
    await bench.fill('memslots', 'gpa', '0xe8000000');
    await memslots.locator('button[type=submit]').click();
    await memslots.locator('[data-verdict=past-report]').waitFor();
    await memslots.locator('[data-slot="2"]').waitFor();
    await runPast((await insns()) + 100_000);
    await pause();
  });

  it('takes a staged list while it runs, as one', async () => {
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('running');
    const memslots = await bench.open('memslots');
    await memslots.getByRole('button', { name: 'New slot' }).click();
    await bench.fill('memslots', 'gpa', '0xe9000000');
    await memslots.locator('[data-action=stage]').click();
    await memslots.locator('[data-staged="3"]').waitFor();
    await memslots.getByRole('button', { name: 'Delete slot 2…' }).click();
    await memslots.locator('[data-action=stage]').click();
    await memslots.locator('[data-staged="2"]').waitFor();
    await memslots.locator('[data-action=apply-staged]').click();
    await memslots.locator('[data-slot="3"]').waitFor();
    await memslots.locator('[data-slot="2"]').waitFor({ state: 'detached' });
    await runPast((await insns()) + 100_000);
    await pause();
  });

  it('stops in front of an MMIO fault of one of them', async () => {
    const breakpoints = await bench.open('breakpoints');
    await breakpoints.getByRole('button', { name: 'Add' }).first().click();
    await bench.fill('breakpoints', 'start', WINDOW);
    await breakpoints.locator('button[type=submit]').click();
    await breakpoints.locator('[data-breakpoint="1"]').waitFor();
    await umbra.page.keyboard.press('F5');
    await bench.eventually(reason, /breakpoint 1: MMIO read of 0xe0000000/, 'what it stopped in front of');
    await bench.waitForState('paused');
    await umbra.screenshot('parallel-mmio-breakpoint');
    await breakpoints.getByRole('button', { name: 'Remove' }).click();
  });

  it('survives the death of a thread in its window, and says whose it was', async () => {
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('running');
    await umbra.crashEngine(1);
    await bench.waitForState('error');
    await bench.eventually(reason, /thread of vCPU 1 crashed/, 'whose thread it was');
    await umbra.screenshot('parallel-crashed');
    await umbra.page.keyboard.press('Control+Shift+F5');
    await bench.waitForState('paused');
    await umbra.page.keyboard.press('F5');
    await runPast(200_000);
    await pause();
  });

  it('has made no noise on its console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
