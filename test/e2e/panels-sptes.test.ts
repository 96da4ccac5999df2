/** The spte inspector in the real window: broken on from the inspector, followed by its numbers, reached from the palette. */
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

describe('the spte inspector', () => {
  it('is filtered from the palette', async () => {
    await umbra.page.keyboard.press('F5');
    await bench.eventually(() => bench.serialText(), /is MMIO at poll/, 'the guest polls');
    await umbra.page.keyboard.press('F5');
    await bench.waitForState('paused');
    await bench.command('spte inspector: show sptes that map memory');
    await bench.eventually(() => bench.panel('sptes').locator('.scroller').innerText(), /page/, 'leaves');
    await bench.command('decode a raw spte');
    await bench.panel('sptes').locator('[name=raw-spte]').waitFor();
    await bench.command('spte inspector: show mmio sptes');
    await bench.eventually(() => bench.panel('sptes').locator('.scroller').innerText(), /● MMIO/, 'MMIO sptes');
  });

  it('is filtered by generation and bits, and says what it cannot read where it was typed', async () => {
    const sptes = bench.panel('sptes');
    const query = sptes.locator('[name=spte-query]');
    await query.fill('gen<five');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => sptes.getByRole('alert').innerText(), /^A generation is gen:5/, 'the refusal');
    const { width = 0 } = (await query.boundingBox()) ?? {};
    expect(width).toBeGreaterThan(200);
    await query.fill('gen>2');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => bench.reading('spte-count'), /^0$/, 'none has a later generation');
    await query.fill('gen<=2 bits:6');
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => bench.reading('spte-count'), /^[1-9]/, 'those that EPT takes for a misconfiguration');
    await sptes.getByRole('button', { name: 'Show sptes of everywhere' }).click();
  });

  it('gives a row to the clipboard, by Ctrl+C and by its menu', async () => {
    const clipboard = (): Promise<string> => umbra.app.evaluate(({ clipboard: board }) => board.readText());
    const row = bench.panel('sptes').locator('.table-row', { hasText: '0xe0000' });
    await row.getByRole('gridcell').nth(1).click();
    await umbra.page.keyboard.press('Control+C');
    await bench.eventually(clipboard, /^0xe0000\t● MMIO\t0x2\t--\t0xc0000000e0000016\t1\t0x/, 'by the key');
    await umbra.app.evaluate(({ clipboard: board }) => board.clear());
    await row.getByRole('gridcell').nth(5).click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Copy the row' }).click();
    await bench.eventually(clipboard, /^0xe0000\t● MMIO/, 'by the menu');
  });

  it('is walked as a tree by the arrow keys, and says what a shadow page is for', async () => {
    const sptes = bench.panel('sptes');
    await sptes.getByRole('button', { name: 'Shadow pages' }).click();
    const page = () => bench.reading('shadow-page');
    await bench.eventually(page, /maps\s+gpa 0x00000000 – 0x0000ffffffffffff.*none: it is a root/s, 'the root');
    await sptes.locator('[role=rowgroup][tabindex="0"]').focus();
    for (let n = 0; n < 3; n += 1) await umbra.page.keyboard.press('ArrowRight');
    await bench.eventually(page, /level 1.*2.MiB/s, 'a page of the last level');
    await umbra.page.keyboard.press('ArrowLeft');
    await bench.eventually(page, /level 2.*1.GiB/s, 'the page above it');
    const rows = sptes.locator('.table-row');
    const before = await rows.count();
    await umbra.page.keyboard.press('ArrowLeft');
    await expect.poll(() => rows.count()).toBeLessThan(before);
    await umbra.page.keyboard.press('Enter');
    await bench.eventually(() => sptes.locator('.table-row').first().innerText(), /↳ link/, 'its entries');
    await sptes.getByRole('button', { name: 'Show sptes of everywhere' }).click();
    await bench.command('spte inspector: show mmio sptes');
  });

  it('describes an spte where it stands, and says what can be done with it', async () => {
    const value = bench
      .panel('sptes')
      .locator('.table-row', { hasText: '0xe0000' })
      .locator('span', { hasText: /^0xc0/ });
    await value.hover();
    await umbra.page.getByRole('tooltip').waitFor();
    await expect
      .poll(() => umbra.page.getByRole('tooltip').innerText())
      .toMatch(/MMIO spte[\s\S]*fresh: the current generation/);
    await value.click({ button: 'right' });
    await umbra.page.getByRole('menuitem', { name: 'Go to its sptes' }).waitFor();
    await umbra.page.keyboard.press('Escape');
  });

  it('breaks when the spte under the glass changes, and shows what it was', async () => {
    const sptes = bench.panel('sptes');
    await sptes.locator('.table-row', { hasText: '0xe0000' }).locator('span').first().click();
    await sptes.getByRole('button', { name: 'Break when this spte changes' }).click();
    const breakpoints = await bench.open('breakpoints');
    await bench.eventually(() => breakpoints.innerText(), /0xe0000000/, 'the breakpoint');
    // A slot over its gfn makes the spte stale; the next access writes another.
    await bench.open('console');
    await bench
      .panel('console')
      .locator('[name=console-line]')
      .fill('slots add slot=5 gpa=0xe0000000 size=4K hva=ram+0x400000');
    await umbra.page.keyboard.press('Enter');
    await umbra.page.keyboard.press('F5');
    await bench.eventually(
      () => umbra.page.locator('.run-bar').innerText(),
      /spte of gfn 0xe0000/,
      'it stops at the change',
    );
    await umbra.screenshot('28-spte-break');
  });

  it('has a button for each field, which breaks on its bits alone', async () => {
    const sptes = await bench.open('sptes');
    const field = sptes.locator('.fields .field-break').first();
    await field.focus();
    await expect.poll(() => field.getAttribute('aria-label')).toMatch(/^Break when .* \(bits .*\) changes$/);
  });

  it('has made no noise on the console', () => expect(umbra.pageErrors).toEqual([]));
});
