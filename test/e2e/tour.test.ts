/** The tour of five steps, walked by keys alone: what each of them says is on screen when it has been done. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchUmbra } from './harness.ts';
import type { LaunchedUmbra } from './harness.ts';
import { workbench } from './workbench.ts';
import type { PanelName, Workbench } from './workbench.ts';

let umbra: LaunchedUmbra;
let bench: Workbench;
let userData: string;

async function launch(): Promise<void> {
  umbra = await launchUmbra({ userData });
  await umbra.page.setViewportSize({ width: 1280, height: 800 });
  await umbra.page.emulateMedia({ colorScheme: 'dark' });
  bench = workbench(umbra.page);
  await bench.waitForState('paused');
}

beforeAll(async () => {
  userData = await mkdtemp(path.join(os.tmpdir(), 'umbra-tour-'));
  await launch();
});
afterAll(async () => {
  await umbra.close();
  await rm(userData, { recursive: true, force: true, maxRetries: 10 });
});

const press = (key: string): Promise<void> => umbra.page.keyboard.press(key);
const reason = (): Promise<string> => umbra.page.locator('.run-bar .reason').innerText();
const tour = () => umbra.page.getByRole('note', { name: 'Tour' });

async function tabTo(selector: string): Promise<void> {
  for (let tabs = 0; tabs < 30; tabs++) {
    if (await umbra.page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector)) return;
    await press('Tab');
  }
  throw new Error(`Tab does not come to ${selector}`);
}

/** Chooses from the palette by words of the command. */
async function command(words: string): Promise<void> {
  await press('Control+Shift+P');
  await umbra.page.getByRole('dialog').getByRole('combobox').waitFor();
  await umbra.page.keyboard.type(words);
  await umbra.page.getByRole('dialog').getByRole('option').first().waitFor();
  await press('Enter');
}

/** The tour says this, all of it can be read, and the panel that it is about is in front. */
async function standsAt(step: number, words: RegExp, panel: PanelName): Promise<void> {
  await bench.eventually(() => bench.reading('tour-count'), new RegExp(`^${step}/5$`), `step ${step}`);
  await expect.poll(() => bench.reading('tour-step')).toMatch(words);
  const isWhole = await umbra.page
    .locator('[data-reading=tour-step]')
    .evaluate((element) => element.scrollWidth <= element.clientWidth);
  expect(isWhole, 'nothing of the sentence is cut off').toBe(true);
  if (step > 1) await bench.panel(panel).waitFor();
  await umbra.screenshot(`tour-${step}`);
}

describe('the tour', () => {
  it('1: has a breakpoint added on the page that the demo guest polls', async () => {
    await standsAt(1, /Add a breakpoint on MMIO faults of gpa 0xe0000000.*outcome EMULATE/, 'breakpoints');
    await command('New breakpoint');
    await bench.panel('breakpoints').locator('[name=start]').waitFor();
    await bench.panel('breakpoints').locator('[name=start]').focus();
    await umbra.page.keyboard.type('0xe0000000');
    await tabTo('input[value=EMULATE]');
    await press('Space');
    await press('Enter');
    await bench.panel('breakpoints').locator('[data-breakpoint="1"]').waitFor();
  });

  it('2: has the guest run until the spte inspector shows its generation beside the current one', async () => {
    await command('next step of the tour');
    await standsAt(2, /Run \(F5\)/, 'sptes');
    await press('F5');
    await bench.eventually(reason, /breakpoint 1: MMIO read of 0xe0000000, EMULATE/, 'in front of the access');
    await bench.panel('sptes').locator('[data-freshness=fresh]').waitFor();
    const isOfNow = async (): Promise<boolean> =>
      (await bench.reading('spte-generation')) === (await bench.reading('current-generation'));
    await expect.poll(isOfNow).toBe(true);
  });

  it('3: has a memslot made, and its cost foretold', async () => {
    await command('next step of the tour');
    await standsAt(3, /Make a memslot over the page/, 'memslots');
    await command('new memslot');
    await bench.eventually(
      () => bench.panel('memslots').locator('[data-verdict=future-report]').innerText(),
      /Preview: CREATE[\s\S]*gone stale\s*2/,
      'the preview',
    );
  });

  it('4: has it applied: one number grew by one, and the spte is stale', async () => {
    const before = Number(await bench.reading('current-generation'));
    await command('next step of the tour');
    await standsAt(4, /Apply it/, 'sptes');
    await press('Control+Enter');
    await bench.panel('sptes').locator('[data-freshness=stale]').waitFor();
    await expect.poll(async () => Number(await bench.reading('current-generation'))).toBe(before + 1);
    await expect.poll(async () => Number(await bench.reading('spte-generation'))).toBe(before);
  });

  it('5: has the next access find the stale spte and reach RAM', async () => {
    await command('next step of the tour');
    await standsAt(5, /Run on/, 'mmio');
    await press('F5');
    await bench.eventually(bench.serialText, /turned from MMIO into RAM/, 'the guest sees memory');
    await press('F5');
    await bench.waitForState('paused');
    await bench.panel('mmio').locator('[name=gfns]').fill('e0000');
    await bench.eventually(
      async () => (await bench.panel('mmio').locator('.table-row').allInnerTexts()).join('\n'),
      /0xe0000000\s+R\s+INVALID/,
      'the fault that it stood in front of has found the spte stale',
    );
    await standsAt(5, /reaches RAM/, 'mmio');
  });

  it('is dismissed for good', async () => {
    await command('dismiss the tour');
    await tour().waitFor({ state: 'detached' });
    await umbra.close();
    await launch();
    await expect.poll(() => tour().count()).toBe(0);
  });

  it('is started again by its name, and gone through in both directions', async () => {
    await command('start the tour again');
    await standsAt(1, /Add a breakpoint/, 'breakpoints');
    await command('next step of the tour');
    await command('previous step of the tour');
    await standsAt(1, /Add a breakpoint/, 'breakpoints');
    expect(umbra.pageErrors).toEqual([]);
  });
});
