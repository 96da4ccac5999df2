/** A whole session without a mouse: from the first instruction to a saved workspace, by keys alone. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { pausedWorkbench } from './workbench.ts';
import type { Workbench } from './workbench.ts';

/** The page that the demo guest watches. */
const POLLED = 'e0000000';
/** More than the window has to stop at. */
const MOST_TABS = 150;

let umbra: LaunchedUmbra;
let bench: Workbench;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'umbra-keyboard-'));
  umbra = await launchUmbra();
  bench = await pausedWorkbench(umbra.page);
});
afterAll(async () => {
  await umbra.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
});

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);

/** Goes on with Tab until what has the focus is what is looked for. */
async function tabTo(selector: string, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  for (let tabs = 0; tabs < MOST_TABS; tabs++) {
    if (await umbra.page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
    await press(key);
  }
  throw new Error(`Tab does not come to ${selector}`);
}

describe('with the keyboard alone', () => {
  it('a breakpoint is set on MMIO, and the guest runs into it', async () => {
    await press('Alt+7');
    await bench.panel('breakpoints').waitFor();
    await tabTo('[data-panel=breakpoints] button:not([disabled])');
    for (let tabs = 0; tabs < 12; tabs++) {
      const label = await umbra.page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
      if (/^(Add|New)/.test(label)) break;
      await press('Tab');
    }
    await press('Enter');
    await tabTo('[data-panel=breakpoints] [name=start]');
    await umbra.page.keyboard.type(POLLED);
    // Not the first access, which finds no spte yet.
    await tabTo('[data-panel=breakpoints] [name=freshness]');
    await umbra.page.keyboard.type('fresh');
    await tabTo('[data-panel=breakpoints] button[type=submit]');
    await press('Enter');
    await bench.panel('breakpoints').locator('[data-breakpoint="1"]').waitFor();
    await press('F5');
    await bench.eventually(
      () => umbra.page.locator('.run-bar .reason').innerText(),
      /breakpoint 1: MMIO/,
      'it stands in front of the fault',
    );
  });

  it('a command without a key of its own has one of two strokes, which are shown to whoever hesitates', async () => {
    const offers = umbra.page.getByRole('region', { name: 'Second keys' });
    await press('Control+K');
    await offers.locator('[data-command=new-slot]').waitFor();
    await umbra.screenshot('keyboard-second-keys');
    await press('M');
    await offers.waitFor({ state: 'detached' });
    await bench.panel('memslots').locator('form [name=gpa]').waitFor();
    await press('Control+K');
    await press('Escape');
    expect(await offers.count()).toBe(0);
  });

  it('the address is walked, and the next fault foretold', async () => {
    await press('Alt+W');
    await bench.panel('walk').waitFor();
    await tabTo('[name=walk-address]');
    await press('Control+A');
    await umbra.page.keyboard.type(`gpa:${POLLED}`);
    await press('Enter');
    await bench.eventually(
      () => bench.reading('walk-kvm'),
      /^Next access: (CACHED|EMULATE|FIRST|INVALID)/,
      'what the next access does',
    );
  });

  it('a memslot is staged over the page and applied', async () => {
    await bench.command('new memslot');
    await bench.panel('memslots').locator('[data-verdict=future-report]').waitFor();
    await bench.command('stage the memslot change');
    await press('Control+Enter');
    await bench.panel('memslots').locator('[data-slot="2"]').waitFor();
  });

  it('its MMIO spte is stale now', async () => {
    await press('Alt+5');
    await bench.panel('sptes').locator('[data-freshness=stale]').waitFor();
    // The panel's table has the focus; the filter stands before it.
    await tabTo('[data-panel=sptes] [name=spte-query]', 'Shift+Tab');
    await press('Control+A');
    await umbra.page.keyboard.type('e0000');
    await press('Enter');
    await tabTo('[data-panel=sptes] .bits');
    await press('ArrowRight');
    await bench.panel('sptes').locator('.fields .lit').waitFor();
    await umbra.screenshot('40-keyboard-stale');
  });

  it('a step goes on, and the change is undone', async () => {
    const before = await bench.reading('insns');
    await press('F11');
    await bench.eventually(() => bench.reading('insns'), new RegExp(`^(?!${before}$)`), 'one instruction');
    await bench.command('undo');
    await bench.panel('memslots').locator('[data-slot="2"]').waitFor({ state: 'detached' });
  });

  it('the workspace is saved', async () => {
    const file = path.join(folder, 'by-key.umbra-workspace');
    // The system's own dialog is not the window's to drive.
    await umbra.app.evaluate(({ dialog }, filePath) => {
      dialog.showSaveDialog = () => Promise.resolve({ canceled: false, filePath });
    }, file);
    await press('Control+S');
    await bench.eventually(() => umbra.page.locator('.status-bar').innerText(), /Workspace saved/, 'it is saved');
    expect((await readFile(file)).length).toBeGreaterThan(100);
  });

  it('nothing was heard on the console', () => expect(umbra.pageErrors).toEqual([]));
});
