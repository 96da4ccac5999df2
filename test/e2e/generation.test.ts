/** The log of MMIO faults, the generation's timeline, the measured cost, and the counters, in the real window. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-exports-'));
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
  // The user's choice of a file, made for him.
  await umbra.app.evaluate(({ dialog }, target) => {
    dialog.showSaveDialog = async (...given: unknown[]) => {
      const options = given.at(-1) as { defaultPath: string };
      return { canceled: false, filePath: `${target}/${options.defaultPath}` };
    };
  }, folder);
  await umbra.page.keyboard.press('F5');
  await bench.waitForState('running');
  await umbra.page.waitForTimeout(700);
  await umbra.page.keyboard.press('F5');
  await bench.waitForState('paused');
});
afterAll(async () => {
  await umbra.close();
  await rm(folder, { recursive: true, force: true });
});

const written = async (name: string): Promise<Buffer> => {
  await expect
    .poll(() =>
      readFile(path.join(folder, name)).then(
        (bytes) => bytes.length,
        () => 0,
      ),
    )
    .toBeGreaterThan(0);
  return readFile(path.join(folder, name));
};

describe('the log of MMIO faults', () => {
  it('is filtered by its columns and written as CSV', async () => {
    const mmio = await bench.open('mmio');
    await mmio.locator('.table-row').first().waitFor();
    await mmio.locator('[name=gfns]').fill('e0000');
    await mmio.locator('[name=access]').selectOption('read');
    await bench.eventually(() => bench.reading('mmio-shown'), /[1-9].* shown/, 'what is left');
    await umbra.screenshot('40-mmio-filter');
    await mmio.getByRole('button', { name: 'Export these faults' }).click();
    const lines = (await written('mmio-faults.csv')).toString().trimEnd().split('\r\n');
    expect(lines.length).toBeGreaterThan(1);
    expect(lines.slice(1).every((line) => line.includes(',0xe0000000,read,'))).toBe(true);
  });

  it('gives a breakpoint for what it shows', async () => {
    await bench.panel('mmio').getByRole('button', { name: 'Stop at faults like these' }).click();
    await bench.eventually(
      () => bench.panel('breakpoints').locator('[name=start]').inputValue(),
      /e0000000/i,
      'the form has the range',
    );
  });
});

describe('the generation', () => {
  it('is measured against the walk of v3.10, and the measuring can be cancelled', async () => {
    const generation = await bench.open('generation');
    await generation.getByRole('button', { name: 'Measure on this machine' }).click();
    await bench.eventually(() => bench.reading('cost-progress'), /\d+ of \d+/, 'progress');
    await bench.eventually(() => generation.innerText(), /patch[\s\S]*1.000\s+[\d.]+ (µs|ms)/, 'the first figures');
    await umbra.screenshot('41-cost');
    await generation.getByRole('button', { name: 'Export the figures as CSV' }).click();
    expect((await written('memslot-cost.csv')).toString()).toMatch(
      /^mmio_sptes,era,microseconds_median,samples\r\n1000,patch,/,
    );
    await generation.getByRole('button', { name: 'Export the chart as PNG' }).click();
    expect((await written('memslot-cost.png')).subarray(1, 4).toString()).toBe('PNG');
    const measured = await bench.reading('cost-table');
    await generation.getByRole('button', { name: 'Cancel' }).click();
    await generation.getByRole('button', { name: 'Measure on this machine' }).waitFor();
    expect(await bench.reading('cost-cancelled')).toMatch(/^Cancelled\. What was measured until then stays\.$/);
    const kept = await bench.reading('cost-table');
    for (const line of measured.split('\n').slice(1)) expect(kept).toContain(line.split('—')[0].trim());
  });
});

describe('the counters', () => {
  it('are found by what they count, and pinned', async () => {
    const statistics = await bench.open('statistics');
    await statistics.locator('[name=counter-search]').fill('processor’s stead');
    await statistics.locator('[data-counter=insn_emulation]').waitFor();
    expect(await statistics.locator('[data-counter]').count()).toBe(1);
    await statistics.getByRole('button', { name: 'Pin insn_emulation' }).click();
    await statistics.locator('[name=counter-search]').fill('');
    await bench.eventually(
      async () => (await statistics.locator('[data-counter]').first().getAttribute('data-counter')) ?? '',
      /^insn_emulation$/,
      'what is pinned comes first',
    );
    await umbra.screenshot('42-statistics');
  });

  it('are reset to nothing, count on from there, and have small plots', async () => {
    const statistics = bench.panel('statistics');
    const exits = (): Promise<string> => statistics.locator('[data-counter=exits] .number').first().innerText();
    await bench.eventually(exits, /[1-9]/, 'exits were counted');
    await statistics.getByRole('button', { name: 'Reset' }).click();
    await expect.poll(() => statistics.locator('[data-counter=exits]').count()).toBe(0);
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('running');
    await bench.eventually(exits, /[1-9]/, 'it counts again');
    await statistics.locator('[data-counter=exits] svg, [data-counter=exits] canvas').first().waitFor();
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    const pinned = statistics.locator('[data-counter=insn_emulation] button');
    expect(await pinned.getAttribute('aria-pressed')).toBe('true');
    await pinned.click();
    expect(await pinned.getAttribute('aria-pressed')).toBe('false');
  });

  it('have made no noise on the console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
