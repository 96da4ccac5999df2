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
  await bench.runAWhile();
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
    expect(await bench.reading('cost-setting')).toMatch(/^Intel EPT .* median of 60 \(patch\)/);
    const measured = await bench.reading('cost-table');
    await generation.getByRole('button', { name: 'Cancel' }).click();
    await generation.getByRole('button', { name: 'Measure on this machine' }).waitFor();
    await expect
      .poll(() => bench.reading('cost-cancelled'))
      .toMatch(/^Cancelled\. What was measured until then stays\.$/);
    const kept = await bench.reading('cost-table');
    for (const line of measured.split('\n').slice(1)) expect(kept).toContain(line.split('—')[0].trim());
  });

  it('is measured up to a million MMIO sptes, and leaves as a table and a picture that need no window', async () => {
    const generation = bench.panel('generation');
    await generation.locator('[name=cost-mmu]').selectOption('npt');
    await generation.getByRole('button', { name: 'Measure on this machine' }).click();
    await bench.eventually(() => bench.reading('cost-progress'), /^\d+ of 19: .*(sptes, patch|warming up)/, 'progress');
    await generation.getByRole('button', { name: 'Measure on this machine' }).waitFor({ timeout: 200_000 });
    expect(await bench.reading('cost-table')).toMatch(/1.000.000\s+[\d.]+ (µs|ms)\s+[\d.]+ ms\s+[\d\u202f]+×$/);
    expect(await bench.reading('cost-setting')).toMatch(/^AMD NPT .* 60 \(patch\), 3 \(v3\.10\) calls/);
    await generation.getByRole('button', { name: 'Export the figures as CSV' }).click();
    const [head, ...lines] = (await written('memslot-cost.csv')).toString().trimEnd().split('\r\n');
    expect(head).toMatch(/^mmio_sptes,era,mmu,microseconds_median,.*,measured_at,processor,system,runtime$/);
    expect(lines.map((line) => line.split(',', 3).join())).toEqual([
      ...['1000', '10000', '100000', '1000000'].map((sptes) => `${sptes},patch,npt`),
      ...['1000', '10000', '100000', '1000000'].map((sptes) => `${sptes},v3.10,npt`),
    ]);
    await generation.getByRole('button', { name: 'Export the chart as PNG' }).click();
    const picture = await written('memslot-cost.png');
    expect(picture.subarray(1, 4).toString()).toBe('PNG');
    // Of a size for a page, not of the panel's: title, axes, legend and what was measured are around the lines.
    expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([1920, 1120]);
    await generation.locator('[data-reading=cost-setting]').last().scrollIntoViewIfNeeded();
    await umbra.photograph('41-cost');
  }, 240_000);
});

describe('the counters', () => {
  it('are found by what they count, and pinned', async () => {
    const statistics = await bench.open('statistics');
    await statistics.locator('[name=counter-search]').fill('processor’s stead');
    await statistics.locator('[data-counter=insn_emulation]').waitFor();
    await expect.poll(() => statistics.locator('[data-counter]').count()).toBe(1);
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
    await expect.poll(() => pinned.getAttribute('aria-pressed')).toBe('true');
    await pinned.click();
    await expect.poll(() => pinned.getAttribute('aria-pressed')).toBe('false');
  });

  it('have made no noise on the console', () => {
    expect(umbra.pageErrors).toEqual([]);
  });
});
